// SPDX-License-Identifier: Apache-2.0
//
// What a store holds, read out over a real Unix socket: unchanged, also where it is long, and no more of it than is
// served.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "control/service/status_client.hpp"
#include "control/service/status_server.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

constexpr auto kLimit = std::chrono::seconds(20);
constexpr mode_t kOwnerOnly = 0600;

class ReadStore : public testing::Test {
 protected:
  void serve(StatusServer::ReadStore read_store) {
    auto server = StatusServer::start(socket_, kOwnerOnly, [] { return StatusReport{}; }, std::move(read_store));
    ASSERT_TRUE(server.has_value()) << server.error();
    server_ = std::move(*server);
  }
  void serve_store() {
    serve([this](std::string_view prefix) {
      ++asked_;
      return store_.list(prefix);
    });
  }
  void put(const std::string& key, const std::string& value) {
    ASSERT_TRUE(store_.commit({{}, {{key, value}}, {}}).has_value());
  }
  auto fetch(std::string_view prefix) { return fetch_listing(socket_, prefix, kLimit); }

  TempDirectory directory_;
  std::string socket_ = directory_.file("s.sock");
  MemoryStore store_;
  std::atomic<int> asked_ = 0;
  std::unique_ptr<StatusServer> server_;
};

TEST_F(ReadStore, BringsEveryByteAndRevision) {
  put("right/m/00001/grant", std::string("a\0b\xff\n", 5));
  put("right/m/00001/window", "");
  put("session/x", "not asked for");
  serve_store();
  const auto listing = fetch("right/");
  ASSERT_TRUE(listing.has_value()) << listing.error().text;
  EXPECT_EQ(*listing, *store_.list("right/"));
  EXPECT_EQ(listing->entries.size(), 2U);
  EXPECT_EQ(listing->at, Revision{3});
}

TEST_F(ReadStore, ServesFourPrefixesAndWhatLiesBelowThem) {
  for (const char* key : {"right/m/1", "session/1", "history/1", "meta/store", "layout/16", "secret"})
    put(key, "value");
  serve_store();
  for (const char* prefix : {"right/", "session/", "history/", "meta/", "right/m/", "meta/store"}) {
    const auto listing = fetch(prefix);
    ASSERT_TRUE(listing.has_value()) << prefix << ": " << listing.error().text;
    EXPECT_EQ(listing->entries.size(), 1U) << prefix;
  }
  const int asked = asked_;
  for (const char* prefix : {"", "r", "right", "meta", "layout/", "secret", "/right/", "x/right/", "RIGHT/"}) {
    const auto listing = fetch(prefix);
    ASSERT_FALSE(listing.has_value()) << prefix;
    EXPECT_FALSE(listing.error().unreachable) << prefix;
    EXPECT_NE(listing.error().text.find("is not told"), std::string::npos) << listing.error().text;
  }
  EXPECT_EQ(asked_, asked) << "the store is not even asked";
}

/// 1,024 rights, and 10,000 entries of history of the size that 64 workers make, are more than gRPC's 4 MB.
TEST_F(ReadStore, LongListingsPass) {
  Listing history{{99}, {}};
  for (int i = 0; i < 10'000; ++i)
    history.entries.push_back({"history/" + std::to_string(100'000 + i), std::string(1'500, 'h'), {1}});
  Listing rights{{99}, {}};
  for (int i = 0; i < 2'048; ++i)
    rights.entries.push_back({"right/m/" + std::to_string(10'000 + i), std::string(200, 'r'), {1}});
  serve([&](std::string_view prefix) { return prefix == "history/" ? history : rights; });
  for (const auto& [prefix, wanted] : {std::pair{"history/", &history}, std::pair{"right/", &rights}}) {
    const auto listing = fetch(prefix);
    ASSERT_TRUE(listing.has_value()) << listing.error().text;
    EXPECT_TRUE(*listing == *wanted) << prefix;
  }
}

TEST_F(ReadStore, WhatIsTooLongIsRefusedWithAWayOut) {
  Listing listing{{1}, {}};
  for (int i = 0; i < 65; ++i)
    listing.entries.push_back({"history/" + std::to_string(i), std::string(1 << 20, 'h'), {1}});
  serve([&](std::string_view) { return listing; });
  const auto fetched = fetch("history/");
  ASSERT_FALSE(fetched.has_value());
  EXPECT_FALSE(fetched.error().unreachable);
  EXPECT_NE(fetched.error().text.find("65 entries"), std::string::npos) << fetched.error().text;
  EXPECT_NE(fetched.error().text.find("--direct"), std::string::npos) << fetched.error().text;
}

TEST_F(ReadStore, ErrorsOfTheStoreComeThroughAsWhatTheyAre) {
  StoreErrorKind kind = StoreErrorKind::kUnavailable;
  serve([&](std::string_view) -> tl::expected<Listing, StoreError> {
    return tl::make_unexpected(StoreError{kind, "etcd has no leader; start its members"});
  });
  const auto unavailable = fetch("right/");
  ASSERT_FALSE(unavailable.has_value());
  EXPECT_TRUE(unavailable.error().unreachable);
  EXPECT_NE(unavailable.error().text.find("etcd has no leader; start its members"), std::string::npos);
  kind = StoreErrorKind::kFatal;
  const auto fatal = fetch("right/");
  ASSERT_FALSE(fatal.has_value());
  EXPECT_FALSE(fatal.error().unreachable);
}

TEST_F(ReadStore, ADaemonThatTellsNothingSaysSo) {
  serve({});
  const auto listing = fetch("right/");
  ASSERT_FALSE(listing.has_value());
  EXPECT_FALSE(listing.error().unreachable);
  EXPECT_NE(listing.error().text.find("does not tell what its store holds"), std::string::npos);
  EXPECT_TRUE(fetch_status(socket_, kLimit).has_value()) << "its status it tells";
}

TEST_F(ReadStore, NobodyThereIsUnreachable) {
  const auto listing = fetch("right/");
  ASSERT_FALSE(listing.has_value());
  EXPECT_TRUE(listing.error().unreachable);
  EXPECT_NE(listing.error().text.find("there is no status socket"), std::string::npos);
}

TEST_F(ReadStore, ASlowStoreIsGivenUp) {
  const auto go = std::make_shared<std::atomic<bool>>(false);  // the server outlives this function
  serve([go](std::string_view) {
    while (!*go)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Listing{};
  });
  const auto listing = fetch_listing(socket_, "right/", std::chrono::milliseconds(50));
  *go = true;
  ASSERT_FALSE(listing.has_value());
  EXPECT_TRUE(listing.error().unreachable);
}

TEST_F(ReadStore, SeveralMayAskAtOnce) {
  put("right/m/1", "value");
  const Listing wanted = *store_.list("right/");
  serve([&](std::string_view) { return Listing(wanted); });
  std::atomic<int> good = 0;
  std::vector<std::thread> askers;
  askers.reserve(8);
  for (int i = 0; i < 8; ++i)
    askers.emplace_back([&] {
      const auto listing = fetch("right/");
      if (listing && *listing == wanted) ++good;
    });
  for (std::thread& asker : askers)
    asker.join();
  EXPECT_EQ(good, 8);
}

}  // namespace
}  // namespace gnomon::control
