// SPDX-License-Identifier: Apache-2.0
//
// The etcd store against a scripted etcd: what it says of a commit whose fate is unclear, and how often it sends one.
#include "control/etcd/etcd_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "control/grpc_log.hpp"
#include "oracle/lease/last_revision.hpp"
#include "tests/control/etcd/fake_etcd.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class EtcdStoreTest : public testing::Test {
 protected:
  EtcdOptions options(time::Duration deadline = time::seconds(20)) {
    EtcdOptions options;
    options.endpoints = {a.endpoint(), b.endpoint()};
    options.deadline = deadline;  // long: nothing here waits for it unless the test says so
    return options;
  }
  std::unique_ptr<EtcdStore> open(const EtcdOptions& with) {
    auto opened = EtcdStore::open(with);
    EXPECT_TRUE(opened) << opened.error().text;
    return std::move(*opened);
  }
  std::unique_ptr<EtcdStore> connected(const EtcdOptions& with) {
    auto store = open(with);
    EXPECT_TRUE(store->get("x"));
    if (a.served().ranges == 0) {  // both were tried, and b was there first
      b.lose_leader();
      EXPECT_TRUE(store->get("x"));
      b.lose_leader(false);
    }
    return store;
  }

  FakeCluster cluster;
  FakeMember a{cluster};
  FakeMember b{cluster};
};

Transaction put(const std::string& key, const std::string& value) { return {{}, {{key, value}}, {}}; }

TEST_F(EtcdStoreTest, KeysLieBelowThePrefixAndComeBackWithoutIt) {
  cluster.put({{"gnomon0", "beside"}, {"gnomo/k", "beside"}, {"other/k", "beside"}});
  auto store = open(options());
  const auto revision = store->commit({{{"right/1", {}}}, {{"right/1", "v"}, {"right/2", "w"}}, {}});
  ASSERT_TRUE(revision) << revision.error().text;
  EXPECT_EQ(cluster.value("gnomon/right/1"), "v");
  EXPECT_EQ(store->get("right/1")->value(), (Entry{"right/1", "v", *revision}));
  const auto listing = store->list("");
  ASSERT_TRUE(listing) << listing.error().text;
  EXPECT_EQ(listing->entries, (std::vector<Entry>{{"right/1", "v", *revision}, {"right/2", "w", *revision}}));
  EXPECT_EQ(listing->at, *revision);
  EXPECT_FALSE(store->get("k")->has_value());
}

TEST_F(EtcdStoreTest, ConflictNamesTheKeyAndWritesNothing) {
  auto store = open(options());
  const auto first = store->commit({{}, {{"a", "1"}, {"b", "1"}}, {}});
  ASSERT_TRUE(first);
  ASSERT_TRUE(store->commit(put("b", "2")));
  const auto refused = store->commit({{{"a", *first}, {"b", *first}}, {{"a", "3"}}, {"b"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kConflict);
  EXPECT_THAT(refused.error().text, HasSubstr("b was changed"));
  EXPECT_EQ(cluster.value("gnomon/a"), "1");
}

TEST_F(EtcdStoreTest, AnswerLostAfterTheCommitIsUnknownAndTheRequestIsNotRepeated) {
  auto store = connected(options());
  a.next_txn({true, grpc::Status(StatusCode::UNAVAILABLE, "etcdserver: request timed out"), false, {}});
  const auto lost = store->commit(put("k", "mine"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, StoreErrorKind::kUnknown);
  EXPECT_EQ(a.served().txns + b.served().txns, 1);
  EXPECT_EQ(store->get("k")->value().value, "mine") << "the caller finds out by reading";
}

TEST_F(EtcdStoreTest, NoSpaceAfterTheCommitIsUnknown) {
  auto store = connected(options());
  a.next_txn(
      {true, grpc::Status(StatusCode::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"), false, {}});
  const auto lost = store->commit(put("k", "mine"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, StoreErrorKind::kUnknown);
  EXPECT_THAT(lost.error().text, HasSubstr("alarm disarm"));
  EXPECT_EQ(a.served().txns + b.served().txns, 1);
}

TEST_F(EtcdStoreTest, AnswerThatNeverComesIsUnknownAtTheDeadline) {
  auto store = connected(options(time::milliseconds(400)));
  for (const bool applied : {true, false}) {
    const Served before = a.served();
    FakeMember& current = applied ? a : b;  // a member that was silent is left
    current.next_txn({applied, std::nullopt, true, {}});
    const auto lost = store->commit(put(applied ? "k" : "l", "mine"));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, StoreErrorKind::kUnknown) << lost.error().text;
    EXPECT_EQ(a.served().txns, before.txns + (applied ? 1 : 0));
  }
  EXPECT_EQ(a.served().txns + b.served().txns, 2);
  EXPECT_TRUE(cluster.value("gnomon/k"));
  EXPECT_FALSE(cluster.value("gnomon/l"));
}

TEST_F(EtcdStoreTest, MemberThatDiesWithACommitLeavesItUnknown) {
  auto store = connected(options());
  a.next_txn({true, std::nullopt, true, {}});
  std::thread killer([this] {
    while (a.served().applied == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    a.stop();
  });
  const auto lost = store->commit(put("k", "mine"));
  killer.join();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, StoreErrorKind::kUnknown);
  EXPECT_EQ(b.served().txns, 0);
  EXPECT_EQ(store->get("k")->value().value, "mine") << "from the other member";
}

TEST_F(EtcdStoreTest, NobodyThereIsUnavailableAndPasses) {
  a.stop();
  b.stop();
  auto store = open(options(time::milliseconds(300)));
  const auto refused = store->commit(put("k", "v"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable) << refused.error().text;
  EXPECT_THAT(refused.error().text, HasSubstr(a.endpoint()));
  EXPECT_THAT(refused.error().text, HasSubstr(b.endpoint()));
  EXPECT_EQ(store->get("k").error().kind, StoreErrorKind::kUnavailable);
  EXPECT_EQ(store->list("").error().kind, StoreErrorKind::kUnavailable);

  b.start();
  bool done = false;
  for (int i = 0; i < 50 && !done; ++i) {
    const auto again = store->commit(put("k", "v"));
    if (!again) {
      ASSERT_EQ(again.error().kind, StoreErrorKind::kUnavailable) << again.error().text;
    }
    done = again.has_value();
  }
  EXPECT_TRUE(done);
  EXPECT_EQ(b.served().applied, 1);
}

TEST_F(EtcdStoreTest, ConnectionThatEndedWhileIdleIsNotACommitOfUnknownOutcome) {
  auto only_a = options();
  only_a.endpoints = {a.endpoint()};
  auto store = open(only_a);
  ASSERT_TRUE(store->get("k"));
  a.stop();
  a.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto done = store->commit(put("k", "v"));
  EXPECT_TRUE(done) << done.error().text;
}

TEST_F(EtcdStoreTest, MemberWithoutLeaderIsLeftWithoutEffect) {
  auto store = connected(options());
  a.lose_leader();
  const auto done = store->commit(put("k", "v"));
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(a.served().txns, 1) << "it was asked, and said no";
  EXPECT_EQ(a.served().applied, 0);
  EXPECT_EQ(b.served().applied, 1);
  EXPECT_TRUE(store->get("k"));
  EXPECT_EQ(a.served().ranges, 1) << "the one that answered is kept";
}

TEST_F(EtcdStoreTest, SilentMemberLeavesTimeForTheOthers) {
  auto store = connected(options(time::seconds(2)));
  cluster.put({{"gnomon/k", "v"}});
  a.next_range({false, std::nullopt, true, {}});
  const auto found = store->get("k");
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ((*found)->value, "v");
  EXPECT_EQ(b.served().ranges, 1);
}

Script says(const std::string& message) {
  return {false, grpc::Status(grpc::StatusCode::UNAVAILABLE, "etcdserver: " + message), false, {}};
}
Script silence() { return {false, std::nullopt, true, {}}; }

TEST_F(EtcdStoreTest, WhatAMemberSaidIsABetterReasonThanItsSilenceThereafter) {
  auto only_a = options(time::seconds(1));
  only_a.endpoints = {a.endpoint()};
  auto store = open(only_a);
  const auto expect_its_reason = [&store] {
    const auto found = store->get("k");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, StoreErrorKind::kUnavailable);
    EXPECT_THAT(found.error().text, HasSubstr("no leader"));
  };
  a.next_status(says("no leader"));
  a.next_status(silence());
  expect_its_reason();
  EXPECT_EQ(a.served().statuses, 2);

  ASSERT_TRUE(store->get("k"));
  a.next_range(says("no leader"));
  a.next_range(silence());
  expect_its_reason();

  a.next_txn(says("no leader"));
  a.next_txn({true, std::nullopt, true, {}});
  const auto uncertain = store->commit(put("k", "v"));
  ASSERT_FALSE(uncertain);
  EXPECT_EQ(uncertain.error().kind, StoreErrorKind::kUnknown) << "it may have been done the second time";
  EXPECT_THAT(uncertain.error().text, HasSubstr("did not say what became"));
  EXPECT_EQ(cluster.value("gnomon/k"), "v");
}

TEST_F(EtcdStoreTest, ExpiredTokenIsRenewedAndTheCommitDoneOnce) {
  for (FakeMember* member : {&a, &b})
    member->want_login("secret");
  auto with = options();
  with.endpoints = {a.endpoint()};
  with.user = "gn";
  with.password = "secret";
  auto store = open(with);
  ASSERT_TRUE(store->commit(put("k", "1")));
  EXPECT_EQ(a.served().logins, 1);
  ASSERT_TRUE(store->commit(put("k", "2")));
  EXPECT_EQ(a.served().logins, 1) << "a token is used again";
  a.forget_tokens();
  const auto done = store->commit(put("k", "3"));
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(a.served().logins, 2);
  EXPECT_EQ(a.served().applied, 3);
}

TEST_F(EtcdStoreTest, TokenThatIsNeverAcceptedEndsAfterOneRenewal) {
  a.want_login("secret");
  a.refuse_tokens();
  auto with = options();
  with.endpoints = {a.endpoint()};
  with.user = "gn";
  with.password = "secret";
  const auto refused = open(with)->commit(put("k", "1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
  EXPECT_EQ(a.served().logins, 2);
  EXPECT_EQ(a.served().txns, 2);
  EXPECT_EQ(a.served().applied, 0);
}

TEST_F(EtcdStoreTest, WrongPasswordIsNamedAndAClusterWithoutUsersLetsUsIn) {
  auto with = options();
  with.endpoints = {a.endpoint()};
  with.user = "gn";
  with.password = "wrong";
  auto store = open(with);
  EXPECT_TRUE(store->commit(put("k", "1"))) << "authentication is off";
  a.want_login("secret");
  const auto refused = store->commit(put("k", "2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().text, HasSubstr("store.password_file"));
  EXPECT_EQ(a.served().applied, 1);
}

TEST_F(EtcdStoreTest, EndpointOfAnotherClusterIsNeverWrittenTo) {
  FakeCluster stranger(0xdead);
  FakeMember c(stranger);
  auto with = options(time::milliseconds(500));
  with.endpoints = {a.endpoint()};
  {
    // Which cluster is ours is what answered first: so the stranger joins the conversation on a's port.
    auto store = open(with);
    ASSERT_TRUE(store->get("k"));
    const std::string port = a.endpoint();
    a.stop();
    grpc::ServerBuilder builder;
    struct Impostor final : etcdserverpb::Maintenance::Service {
      grpc::Status Status(grpc::ServerContext* /*context*/,  // NOLINT(readability-identifier-naming): gRPC's name
                          const etcdserverpb::StatusRequest* /*request*/,
                          etcdserverpb::StatusResponse* response) override {
        response->mutable_header()->set_cluster_id(0xdead);
        return grpc::Status::OK;
      }
    } impostor;
    builder.AddListeningPort(port, grpc::InsecureServerCredentials());
    builder.RegisterService(&impostor);
    const auto server = builder.BuildAndStart();
    ASSERT_TRUE(server);
    auto refused = store->commit(put("k", "v"));
    // Until the connection is made anew, the answer is only that there is none.
    for (int i = 0; i < 40 && !refused && refused.error().text.find("dead") == std::string::npos; ++i)
      refused = store->commit(put("k", "v"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable) << refused.error().text;
    EXPECT_THAT(refused.error().text, testing::AllOf(HasSubstr("dead"), HasSubstr("c1"), HasSubstr("cluster")));
    server->Shutdown(std::chrono::system_clock::now());
  }
  a.start();
  with.endpoints = {a.endpoint(), c.endpoint()};
  auto store = open(with);
  for (int i = 0; i < 5; ++i)
    static_cast<void>(store->commit(put("k", "v")));
  EXPECT_TRUE(a.served().applied == 0 || c.served().applied == 0) << "one cluster only, whichever answered first";
  EXPECT_EQ(a.served().applied + c.served().applied, 5);
}

// The connection stays, and what is behind it is another one: so the greeting of before says nothing.
TEST_F(EtcdStoreTest, AnswerOfAnotherClusterIsNotBelievedAndACommitThereIsUnknown) {
  auto store = connected(options());
  cluster.put({{"gnomon/k", "ours"}});
  a.answer_as_cluster(0xdead);
  const auto lost = store->commit(put("l", "theirs"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, StoreErrorKind::kUnknown) << "it was carried out, somewhere";
  EXPECT_THAT(lost.error().text, testing::AllOf(HasSubstr(a.endpoint()), HasSubstr("dead"), HasSubstr("c1")));
  EXPECT_EQ(a.served().txns, 1);
  EXPECT_EQ(b.served().txns, 0) << "and is not repeated";
  a.answer_as_cluster(0);
  b.lose_leader();
  ASSERT_TRUE(store->get("k")) << "back at the first one";
  b.lose_leader(false);
  a.answer_as_cluster(0xdead);
  a.next_range({true, std::nullopt, false, {}, [](etcdserverpb::RangeResponse& page) {
                  page.mutable_kvs(0)->set_value("theirs");
                }});
  const auto found = store->get("k");
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ((*found)->value, "ours") << "a read is asked of the next one";
}

TEST_F(EtcdStoreTest, CommitAtARevisionThatNoStoreCanHaveIsUnknown) {
  auto with = options();
  with.endpoints = {a.endpoint()};
  auto store = open(with);
  for (const std::int64_t impossible : {std::int64_t{-1}, static_cast<std::int64_t>(lease::kLastRevision.value) + 1}) {
    const int before = a.served().txns;
    a.next_txn({true, std::nullopt, false, {}, {}, [impossible](etcdserverpb::TxnResponse& response) {
                  response.mutable_header()->set_revision(impossible);
                }});
    const auto lost = store->commit(put("k", "v"));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, StoreErrorKind::kUnknown) << "it said that it was committed";
    EXPECT_THAT(lost.error().text, HasSubstr("a revision that no store can have"));
    EXPECT_EQ(a.served().txns - before, 1);
  }
}

TEST_F(EtcdStoreTest, LongListingIsOneStateOfTheStore) {
  std::map<std::string, std::string> values;
  for (int i = 0; i < 10'000; ++i)
    values["gnomon/history/" + std::to_string(100'000 + i)] = "v";
  const std::int64_t at = cluster.put(values);
  auto with = options();
  with.endpoints = {a.endpoint()};
  auto store = open(with);
  a.next_range({true, std::nullopt, false,
                [this] { cluster.put({{"gnomon/history/109999", "later"}, {"gnomon/history/2", "later"}}); }});
  const auto listing = store->list("history/");
  ASSERT_TRUE(listing) << listing.error().text;
  EXPECT_EQ(listing->at.value, static_cast<std::uint64_t>(at));
  ASSERT_EQ(listing->entries.size(), 10'000U);
  EXPECT_TRUE(std::is_sorted(listing->entries.begin(), listing->entries.end(),
                             [](const Entry& x, const Entry& y) { return x.key < y.key; }));
  for (const Entry& entry : listing->entries)
    ASSERT_EQ(entry.value, "v");
}

TEST_F(EtcdStoreTest, ListingBeginsAnewIfItsRevisionIsCompactedAway) {
  std::map<std::string, std::string> values;
  for (int i = 0; i < 2'500; ++i)
    values["gnomon/history/" + std::to_string(100'000 + i)] = "v";
  cluster.put(values);
  auto with = options();
  with.endpoints = {a.endpoint()};
  auto store = open(with);
  a.next_range({true, std::nullopt, false, [this] { cluster.compact(cluster.put({{"gnomon/history/3", "later"}})); }});
  const auto listing = store->list("history/");
  ASSERT_TRUE(listing) << listing.error().text;
  EXPECT_EQ(listing->entries.size(), 2'501U);
  EXPECT_EQ(listing->at.value, static_cast<std::uint64_t>(cluster.revision()));
  EXPECT_EQ(a.served().ranges, 4) << "a page, a refusal, two pages";
}

TEST_F(EtcdStoreTest, ListingThatIsCompactedAwayAgainAndAgainIsGivenUp) {
  std::map<std::string, std::string> values;
  for (int i = 0; i < 2'001; ++i)  // one more than a page
    values["gnomon/history/" + std::to_string(100'000 + i)] = "v";
  cluster.put(values);
  auto with = options();
  with.endpoints = {a.endpoint()};
  auto store = open(with);
  for (int i = 0; i < 9; ++i) {
    a.next_range({true, std::nullopt, false, [this] { cluster.compact(cluster.put({{"gnomon/busy", "v"}})); }});
    a.next_range({});  // the second page: refused
  }
  const auto refused = store->list("history/");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().text, testing::AllOf(HasSubstr("gnomon/history/"), HasSubstr("compact it less often")));
  EXPECT_EQ(a.served().ranges, 18) << "it does not go on for ever";
  const auto listing = store->list("history/");
  ASSERT_TRUE(listing) << listing.error().text;
  EXPECT_EQ(listing->entries.size(), 2'001U);
}

// Nothing that answers so is etcd. It must neither hold the caller for ever nor give him a part for the whole.
TEST_F(EtcdStoreTest, ListingThatDoesNotAdvanceIsRefused) {
  cluster.put({{"gnomon/k1", "v"}, {"gnomon/k2", "v"}});
  auto with = options();
  with.endpoints = {a.endpoint()};
  auto store = open(with);
  using Page = etcdserverpb::RangeResponse;
  const auto more = [](Page& page) { page.set_more(true); };
  const auto the_same_again = [](Page& page) {
    page.add_kvs()->set_key("gnomon/k2");
    page.set_more(true);
  };
  for (const auto& forged : std::vector<std::vector<std::function<void(Page&)>>>{{more, the_same_again},
                                                                                 {more, more},  // the second is empty
                                                                                 {[&](Page& page) {
                                                                                   page.clear_kvs();
                                                                                   page.add_kvs()->set_key("before");
                                                                                   page.set_more(true);
                                                                                 }}}) {
    for (const auto& forge : forged)
      a.next_range({true, std::nullopt, false, {}, forge});
    const int before = a.served().ranges;
    const auto refused = store->list("");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
    EXPECT_THAT(refused.error().text, HasSubstr("says that there is more"));
    EXPECT_EQ(a.served().ranges - before, static_cast<int>(forged.size()));
  }
  a.next_range({true, std::nullopt, false, {}, more});
  const auto listing = store->list("");  // more was said, and nothing came: that is no contradiction
  ASSERT_TRUE(listing) << listing.error().text;
  EXPECT_EQ(listing->entries.size(), 2U);
}

TEST_F(EtcdStoreTest, ListingAtARevisionThatNoStoreCanHaveIsRefused) {
  auto store = open(options());
  for (const std::int64_t impossible : {std::int64_t{-1}, static_cast<std::int64_t>(lease::kLastRevision.value) + 1}) {
    const auto forge = [impossible](etcdserverpb::RangeResponse& page) {
      page.mutable_header()->set_revision(impossible);
    };
    for (FakeMember* member : {&a, &b})
      member->next_range({true, std::nullopt, false, {}, forge});
    const auto refused = store->list("");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
    EXPECT_THAT(refused.error().text, HasSubstr("a revision that no store can have"));
  }
}

// A token would be made of it, and what was committed is looked for there.
TEST_F(EtcdStoreTest, AnEntryAtARevisionThatTheStoreCantHaveIsRefused) {
  cluster.put({{"gnomon/k1", "v"}, {"gnomon/k2", "v"}});
  auto with = options();
  with.endpoints = {a.endpoint()};
  auto store = open(with);
  for (const std::int64_t impossible :
       {std::int64_t{-1}, cluster.revision() + 1, static_cast<std::int64_t>(lease::kLastRevision.value) + 1}) {
    SCOPED_TRACE(impossible);
    const auto forge = [impossible](etcdserverpb::RangeResponse& page) {
      page.mutable_kvs(page.kvs_size() - 1)->set_mod_revision(impossible);
    };
    a.next_range({true, std::nullopt, false, {}, forge});
    const auto refused = store->list("");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
    EXPECT_THAT(refused.error().text, testing::AllOf(HasSubstr("gnomon/k2"), HasSubstr("no store can have")));
    a.next_range({true, std::nullopt, false, {}, forge});
    const auto got = store->get("k1");
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, StoreErrorKind::kUnavailable);
    EXPECT_THAT(got.error().text, testing::AllOf(HasSubstr("gnomon/k1"), HasSubstr("no store can have")));
  }
  const auto listing = store->list("");
  ASSERT_TRUE(listing) << listing.error().text;
  ASSERT_EQ(listing->entries.size(), 2U);
  EXPECT_EQ(listing->entries[1].modified, listing->at) << "the newest there can be";
  EXPECT_TRUE(store->get("k1")->has_value());
}

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 65
// A handshake that fails makes gRPC write to stderr, each time.
TEST_F(EtcdStoreTest, WhatGrpcHasToSayGoesNowhere) {
  if (std::getenv("GRPC_VERBOSITY") != nullptr || std::getenv("GRPC_TRACE") != nullptr)
    GTEST_SKIP() << "it was asked to";
  EtcdOptions with = options(time::milliseconds(500));
  with.tls = true;  // nobody there speaks it
  const auto said = [&](bool loud) {
    const auto store = open(with);
    if (loud) gpr_set_log_function(nullptr);  // its own
    testing::internal::CaptureStderr();
    EXPECT_FALSE(store->get("x"));
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_NE(said(true), "") << "the test proves nothing: it has nothing to say of this";
  EXPECT_EQ(said(false), "");
}
#endif

TEST_F(EtcdStoreTest, OptionsThatCantWorkAreRefusedAtOnce) {
  const auto fault = [](const EtcdOptions& with) {
    const auto opened = EtcdStore::open(with);
    EXPECT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, StoreErrorKind::kFatal);
    return opened.error().text;
  };
  TempDirectory directory;
  auto with = options();
  with.ca_file = directory.file("ca.pem");
  EXPECT_THAT(fault(with), HasSubstr("https://"));
  with.tls = true;
  EXPECT_THAT(fault(with), HasSubstr("there is no file"));
  with.ca_file.clear();
  with.key_file = directory.file("key.pem");
  EXPECT_THAT(fault(with), HasSubstr("store.cert_file"));
  with.key_file.clear();
  with.endpoints.clear();
  EXPECT_THAT(fault(with), HasSubstr("no endpoint"));
}

}  // namespace
}  // namespace gnomon::control
