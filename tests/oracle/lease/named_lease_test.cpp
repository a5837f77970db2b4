// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/named_lease.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "tests/oracle/lease/text_mutations.hpp"

namespace gnomon::lease {
namespace {

NamedLease with_metadata() {
  return {nonce_of(1), nonce_of(0x20), 5, time::milliseconds(1500), {"10.0.0.7:\0\xff", 11}};
}
NamedLease plain() { return {nonce_of(2), nonce_of(0x30), 65'535, {}, ""}; }

TEST(NamedLease, text_is_golden) {
  EXPECT_EQ(encode(with_metadata()),
            "lease 1 nonce=0102030405060708090a0b0c0d0e0f10 session=202122232425262728292a2b2c2d2e2f epoch=5 "
            "lock_delay=1500000000 metadata=31302e302e302e373a00ff");
  EXPECT_EQ(encode(plain()),
            "lease 1 nonce=02030405060708090a0b0c0d0e0f1011 session=303132333435363738393a3b3c3d3e3f epoch=65535 "
            "lock_delay=0 metadata=-");
  EXPECT_EQ(encode(Waiter{nonce_of(1)}), "waiter 1 nonce=0102030405060708090a0b0c0d0e0f10");
}

TEST(NamedLease, reads_back_what_it_wrote) {
  std::mt19937_64 random(20261129);
  for (int round = 0; round < 5'000; ++round) {
    NamedLease lease;
    lease.nonce = nonce_of(static_cast<std::uint8_t>(random()));
    lease.session = nonce_of(static_cast<std::uint8_t>(random()));
    lease.epoch = static_cast<std::uint16_t>(random());
    lease.lock_delay = {static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(kMaxLockDelay.ns + 1))};
    lease.metadata.resize(random() % 4 == 0 ? 0 : random() % (kMaxMetadata + 1));
    for (char& c : lease.metadata)
      c = static_cast<char>(random());
    ASSERT_EQ(parse_named_lease(encode(lease)), lease);
    const Waiter waiter{lease.nonce};
    ASSERT_EQ(parse_waiter(encode(waiter)), waiter);
  }
  NamedLease longest = plain();
  longest.metadata = std::string(kMaxMetadata, '\xff');
  longest.lock_delay = kMaxLockDelay;
  EXPECT_EQ(parse_named_lease(encode(longest)), longest);
}

TEST(NamedLease, each_fault_has_its_type) {
  const auto with = [](const std::string& from, const std::string& to) {
    return fault_with(encode(with_metadata()), from, to, parse_named_lease);
  };
  EXPECT_EQ(with("lease 1", "waiter 1"), ValueFault::kOtherKind);
  EXPECT_EQ(with("lease 1", "lease 2"), ValueFault::kOtherVersion);
  EXPECT_EQ(with(" epoch=5", ""), ValueFault::kFieldMissing);
  EXPECT_EQ(with("epoch=5", "epoch=65536"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("lock_delay=1500000000", "lock_delay=-1"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("lock_delay=1500000000", "lock_delay=60000000001"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("metadata=31302e302e302e373a00ff", "metadata="), ValueFault::kMalformed);
  EXPECT_EQ(with("metadata=31", "metadata=3"), ValueFault::kMalformed) << "half a byte";
  EXPECT_EQ(with("00ff", "00FF"), ValueFault::kMalformed);
  EXPECT_EQ(with("00ff", "00zz"), ValueFault::kMalformed);
  EXPECT_EQ(with("00ff", std::string(2 * kMaxMetadata, '0')), ValueFault::kOutOfRange);
  EXPECT_EQ(with("00ff", "00ff x"), ValueFault::kTrailing);
  EXPECT_FALSE(parse_named_lease(""));
  EXPECT_EQ(parse_waiter(encode(Waiter{nonce_of(1)}) + " ").error(), ValueFault::kTrailing);
  EXPECT_EQ(parse_waiter(encode(with_metadata())).error(), ValueFault::kOtherKind);
}

TEST(NamedLease, every_truncation_and_bit_flip_is_rejected_or_another_canonical_text) {
  expect_canonical_or_rejected(encode(with_metadata()), parse_named_lease);
  expect_canonical_or_rejected(encode(plain()), parse_named_lease);
  expect_canonical_or_rejected(encode(Waiter{nonce_of(1)}), parse_waiter);
}

TEST(NamedLease, garbage_is_never_guessed_at) {
  expect_no_guesses({encode(with_metadata()), encode(plain())}, parse_named_lease);
  expect_no_guesses({encode(Waiter{nonce_of(1)})}, parse_waiter);
}

TEST(LeaseName, has_one_text) {
  for (const std::string& name : {std::string("database:1"), std::string("a"), std::string(kMaxName, 'x'),
                                  std::string("AZaz09._:/@=+-"), std::string("/"), std::string("..")})
    EXPECT_TRUE(is_name(name)) << name;
  for (const std::string& name :
       {std::string(), std::string(kMaxName + 1, 'x'), std::string("a b"), std::string("a#b"), std::string("a\n"),
        std::string("a\0", 2), std::string("\xc3\xa4"), std::string("a%20b"), std::string("*")})
    EXPECT_FALSE(is_name(name)) << name;
}

TEST(LeaseKey, names_one_lease) {
  EXPECT_EQ(lease_key("database:1"), "lease/h/database:1");
  EXPECT_EQ(name_of_lease_key("lease/h/database:1"), "database:1");
  for (const std::string_view key : {"lease/h/", "lease/h/a b", "lease/q/a", "lease/h", "right/m/00001/grant", ""})
    EXPECT_EQ(name_of_lease_key(key), std::nullopt) << key;
}

TEST(WaiterKey, names_one_waiter_of_one_lease) {
  const std::string key = waiter_key("a/b", nonce_of(0xf8));
  EXPECT_EQ(key, "lease/q/a/b#f8f9fafbfcfdfeff0001020304050607");
  EXPECT_EQ(queue_prefix("a/b"), "lease/q/a/b#") << "not a prefix of the queue of a/bc";
  const auto parts = parts_of_waiter_key(key);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->name, "a/b");
  EXPECT_EQ(parts->session, nonce_of(0xf8));
  for (const std::string& other :
       {key + "0", key.substr(0, key.size() - 1), std::string("lease/q/a/b"), std::string("lease/q/#") + key.substr(12),
        std::string("lease/q/a#b#") + key.substr(12), std::string("lease/h/a/b#") + key.substr(12), std::string()})
    EXPECT_FALSE(parts_of_waiter_key(other)) << other;
}

}  // namespace
}  // namespace gnomon::lease
