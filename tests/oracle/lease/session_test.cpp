// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/session.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/oracle/lease/text_mutations.hpp"

namespace gnomon::lease {
namespace {

Session synchronised() {
  Session session{nonce_of(1), Standing::kMember, {41}, {}, "host-7 pid 4711 main"};
  session.clock.ordering = {{1'000}, {2'000}};
  session.clock.truth = time::Interval{{-5}, {-5}};
  return session;
}

Session unsynchronised() {
  Session session = synchronised();
  session.standing = Standing::kJoining;
  session.clock.truth.reset();
  return session;
}

TEST(Session, text_is_golden) {
  EXPECT_EQ(encode(synchronised()),
            "session 1 nonce=0102030405060708090a0b0c0d0e0f10 standing=member seen=41 ordering_earliest=1000 "
            "ordering_latest=2000 truth=known earliest=-5 latest=-5 holder=host-7 pid 4711 main");
  EXPECT_EQ(encode(unsynchronised()),
            "session 1 nonce=0102030405060708090a0b0c0d0e0f10 standing=joining seen=41 ordering_earliest=1000 "
            "ordering_latest=2000 truth=unknown holder=host-7 pid 4711 main");
}

TEST(Session, reads_back_what_it_wrote) {
  for (const Standing standing : {Standing::kJoining, Standing::kMember, Standing::kTied, Standing::kOutvoted})
    for (Session session : {synchronised(), unsynchronised()}) {
      session.standing = standing;
      EXPECT_EQ(parse_session(encode(session)), session) << text_of(standing);
    }
  Session extreme = synchronised();
  extreme.seen = {UINT64_MAX};
  extreme.clock.ordering = {time::SmearedUtc::min(), time::SmearedUtc::max()};
  extreme.clock.truth = time::Interval{time::Tai::max(), time::Tai::max()};
  extreme.holder = "";
  EXPECT_EQ(parse_session(encode(extreme)), extreme);
}

TEST(Session, holder_is_made_printable_and_cut) {
  Session session = synchronised();
  session.holder = "a\nb truth=unknown \x80";
  EXPECT_EQ(parse_session(encode(session))->holder, "a?b truth=unknown ?");
  session.holder = std::string(5000, 'x');
  EXPECT_EQ(parse_session(encode(session))->holder.size(), TextWriter::kMaxRest);
}

TEST(Session, each_fault_has_its_type) {
  const auto with = [](const std::string& from, const std::string& to) {
    return fault_with(encode(synchronised()), from, to, parse_session);
  };
  EXPECT_EQ(with("session 1", "grant 1"), ValueFault::kOtherKind);
  EXPECT_EQ(with("session 1", "session 2"), ValueFault::kOtherVersion);
  EXPECT_EQ(with(" seen=41", ""), ValueFault::kFieldMissing);
  EXPECT_EQ(with("seen=41", "seen=-1"), ValueFault::kMalformed);
  EXPECT_EQ(with("seen=41", "seen=041"), ValueFault::kMalformed);
  EXPECT_EQ(with("seen=41", "seen=18446744073709551616"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("standing=member", "standing=absent"), ValueFault::kMalformed);
  EXPECT_EQ(with("standing=member", "standing="), ValueFault::kMalformed);
  EXPECT_EQ(with("truth=known", "truth=maybe"), ValueFault::kMalformed);
  EXPECT_EQ(with("truth=known", "truth=unknown"), ValueFault::kFieldMissing) << "no interval where none is known";
  EXPECT_EQ(with(" earliest=-5", ""), ValueFault::kFieldMissing);
  EXPECT_EQ(with("ordering_latest=2000", "ordering_latest=999"), ValueFault::kOutOfRange) << "earliest > latest";
  EXPECT_EQ(with(" latest=-5", " latest=-6"), ValueFault::kOutOfRange) << "earliest > latest";
  EXPECT_EQ(with(" holder=host-7 pid 4711 main", ""), ValueFault::kFieldMissing);
  EXPECT_EQ(with("host-7", "host\n7"), ValueFault::kMalformed);
  EXPECT_FALSE(parse_session(""));
}

TEST(Session, every_truncation_and_bit_flip_is_rejected_or_another_canonical_text) {
  for (const Session& session : {synchronised(), unsynchronised()})
    expect_canonical_or_rejected(encode(session), parse_session);
}

TEST(Session, garbage_is_never_guessed_at) {
  expect_no_guesses({encode(synchronised()), encode(unsynchronised())}, parse_session, [](const Session& session) {
    ASSERT_LE(session.clock.ordering.earliest, session.clock.ordering.latest);
    if (session.clock.truth) {
      ASSERT_LE(session.clock.truth->earliest, session.clock.truth->latest);
    }
  });
}

TEST(SessionKey, names_one_incarnation_and_nothing_else_does) {
  const std::string key = session_key(nonce_of(0xf8));
  EXPECT_EQ(key, "session/f8f9fafbfcfdfeff0001020304050607");
  EXPECT_EQ(incarnation_of_session(key), nonce_of(0xf8));
  for (const std::string& other :
       {std::string("session/"), key + "0", key.substr(0, key.size() - 1), key + "/x", "sessions" + key.substr(7),
        std::string("session/F8F9FAFBFCFDFEFF0001020304050607"),
        std::string("session/f8f9fafbfcfdfeff000102030405060g"), std::string("right/m/00001/grant"), std::string()})
    EXPECT_EQ(incarnation_of_session(other), std::nullopt) << other;
}

}  // namespace
}  // namespace gnomon::lease
