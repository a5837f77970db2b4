// SPDX-License-Identifier: Apache-2.0
//
// The watch against a scripted etcd: every change once and in order, whatever happens to the streams, and an end at any
// time.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "control/etcd/etcd_store.hpp"
#include "oracle/lease/last_revision.hpp"
#include "platform/unique_fd.hpp"
#include "tests/control/etcd/fake_etcd.hpp"

namespace gnomon::control {
namespace {

using std::chrono::steady_clock;
using testing::HasSubstr;

class EtcdWatchTest : public testing::Test {
 protected:
  std::unique_ptr<EtcdStore> open(const std::vector<std::string>& endpoints) {
    EtcdOptions options;
    options.endpoints = endpoints;
    options.deadline = time::seconds(20);
    options.user = user;
    options.password = "secret";
    if (user.empty()) options.password.clear();
    auto opened = EtcdStore::open(options);
    EXPECT_TRUE(opened) << opened.error().text;
    return std::move(*opened);
  }
  std::unique_ptr<EtcdStore> open() { return open({a.endpoint(), b.endpoint()}); }

  /// Until there is something to tell; errors pass.
  Changes next_news(Watch& watch) {
    const auto until = steady_clock::now() + std::chrono::seconds(20);
    while (steady_clock::now() < until) {
      auto changes = watch.next(time::milliseconds(100));
      if (changes && (changes->gap || !changes->changes.empty())) return std::move(*changes);
    }
    ADD_FAILURE() << "nothing was told";
    return {};
  }
  void wait_for_watches(const FakeMember& member, int count) {
    for (int i = 0; i < 20'000 && member.served().watches < count; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  /// Reads `count` changes and checks that what is told fits together.
  std::vector<Change> collect(Watch& watch, std::size_t count) {
    std::vector<Change> all;
    Revision through;
    while (all.size() < count && !HasFailure()) {
      const Changes changes = next_news(watch);
      EXPECT_FALSE(changes.gap);
      for (const Change& change : changes.changes) {
        EXPECT_GT(change.entry.modified, through) << "told already";
        EXPECT_LE(change.entry.modified, changes.through);
        all.push_back(change);
      }
      EXPECT_GT(changes.through, through);
      through = changes.through;
    }
    return all;
  }

  std::string user;
  FakeCluster cluster;
  FakeMember a{cluster};
  FakeMember b{cluster};
};

Revision as_revision(std::int64_t revision) { return {static_cast<std::uint64_t>(revision)}; }

TEST_F(EtcdWatchTest, TellsChangesUnderThePrefixInOrder) {
  auto store = open();
  const std::int64_t before = cluster.put({{"gnomon/session/1", "old"}});
  auto watch = store->watch("session/", as_revision(before));
  const std::int64_t one = cluster.put({{"gnomon/session/1", "new"}, {"gnomon/session/2", "x"}, {"gnomon/right", "y"}});
  const std::int64_t two = cluster.put({{"gnomon/session/1", ""}});
  cluster.put({{"gnomon/sessions", "beside"}, {"session/1", "beside"}});
  EXPECT_EQ(collect(*watch, 3), (std::vector<Change>{{{"session/1", "new", as_revision(one)}, false},
                                                     {{"session/2", "x", as_revision(one)}, false},
                                                     {{"session/1", "", as_revision(two)}, true}}));
}

TEST_F(EtcdWatchTest, NothingNewIsNoErrorAndComesInTime) {
  auto store = open();
  auto watch = store->watch("", as_revision(cluster.revision()));
  for (int i = 0; i < 3; ++i) {
    const auto start = steady_clock::now();
    const auto changes = watch->next(time::milliseconds(50));
    EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(1));
    ASSERT_TRUE(changes) << changes.error().text;
    EXPECT_TRUE(changes->changes.empty());
    EXPECT_EQ(changes->through, as_revision(cluster.revision()));
  }
}

TEST_F(EtcdWatchTest, CutStreamsLoseAndRepeatNothing) {
  constexpr int kCommits = 300;
  auto store = open();
  auto watch = store->watch("", as_revision(cluster.revision()));
  std::thread writer([this] {
    for (int i = 0; i < kCommits; ++i) {
      cluster.put({{"gnomon/k" + std::to_string(i % 7), std::to_string(i)}});
      if (i % 10 == 0) a.cut_streams();
      if (i % 15 == 0) b.cut_streams();
      if (i % 25 == 0) (i % 2 == 0 ? a : b).cut_stream_after(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
  });
  const std::vector<Change> told = collect(*watch, kCommits);
  writer.join();
  ASSERT_EQ(told.size(), static_cast<std::size_t>(kCommits));
  for (int i = 0; i < kCommits; ++i)
    EXPECT_EQ(told[static_cast<std::size_t>(i)].entry.value, std::to_string(i));
  EXPECT_GT(a.served().watches + b.served().watches, 5) << "the streams were cut";
}

TEST_F(EtcdWatchTest, DeadMemberIsReplacedByAnother) {
  auto store = open();
  auto watch = store->watch("", as_revision(cluster.revision()));
  cluster.put({{"gnomon/k", "1"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "1");
  a.stop();
  cluster.put({{"gnomon/k", "2"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "2");
  EXPECT_GE(b.served().watches, 1);
  b.stop();
  const auto nobody = watch->next(time::milliseconds(500));
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, StoreErrorKind::kUnavailable);
  a.start();
  cluster.put({{"gnomon/k", "3"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "3");
}

TEST_F(EtcdWatchTest, RevisionInFragmentsIsToldWhole) {
  auto store = open({a.endpoint()});
  auto watch = store->watch("", as_revision(cluster.revision()));
  a.fragment();
  a.cut_stream_after(3);  // of 6 fragments
  std::map<std::string, std::string> values;
  for (int i = 0; i < 6; ++i)
    values["gnomon/k" + std::to_string(i)] = "v";
  const std::int64_t at = cluster.put(values);
  const Changes changes = next_news(*watch);
  EXPECT_EQ(changes.changes.size(), 6U);
  EXPECT_EQ(changes.through, as_revision(at));
  EXPECT_EQ(a.served().watches, 2);
  EXPECT_TRUE(watch->next(time::milliseconds(50))->changes.empty());
}

TEST_F(EtcdWatchTest, CompactedHistoryIsAGapOnceAndThenItGoesOn) {
  auto store = open();
  auto watch = store->watch("", {1});
  for (int i = 0; i < 10; ++i)
    cluster.put({{"gnomon/k", std::to_string(i)}});
  cluster.compact(7);
  const Changes gap = next_news(*watch);
  EXPECT_TRUE(gap.gap);
  EXPECT_TRUE(gap.changes.empty());
  EXPECT_EQ(gap.through, (Revision{7}));
  const std::vector<Change> rest = collect(*watch, 4);
  EXPECT_EQ(rest.front().entry.modified, (Revision{8}));
  EXPECT_EQ(rest.back().entry.value, "9");
}

TEST_F(EtcdWatchTest, RestoredStoreIsAGapThroughItsPresentRevision) {
  auto store = open();
  for (int i = 0; i < 10; ++i)
    cluster.put({{"gnomon/k", std::to_string(i)}});
  auto watch = store->watch("", as_revision(cluster.revision()));
  ASSERT_TRUE(watch->next(time::milliseconds(100)));
  cluster.restore(5);
  a.cut_streams();
  b.cut_streams();
  const Changes gap = next_news(*watch);
  EXPECT_TRUE(gap.gap);
  EXPECT_EQ(gap.through, (Revision{5}));
  cluster.put({{"gnomon/k", "another history"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry, (Entry{"k", "another history", {6}}));
}

TEST_F(EtcdWatchTest, MemberThatLagsIsNoGap) {
  auto store = open();
  for (int i = 0; i < 10; ++i)
    cluster.put({{"gnomon/k", std::to_string(i)}});
  a.lag(5);
  b.lag(5);
  auto watch = store->watch("", as_revision(cluster.revision()));
  ASSERT_TRUE(watch->next(time::milliseconds(300)));
  EXPECT_EQ(a.served().ranges + b.served().ranges, 1) << "it asked";
  cluster.put({{"gnomon/k", "new"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "new");
}

TEST_F(EtcdWatchTest, NotificationsOfOurWatchMoveItAndOthersDont) {
  auto store = open({a.endpoint()});
  const Revision start = as_revision(cluster.revision());
  auto watch = store->watch("quiet/", start);
  ASSERT_TRUE(watch->next(time::milliseconds(100)));
  wait_for_watches(a, 1);
  const std::int64_t elsewhere = cluster.put({{"gnomon/busy", "1"}});
  a.notify_progress(elsewhere, false);
  EXPECT_EQ(watch->next(time::milliseconds(200))->through, start) << "it may have overtaken events";
  a.notify_progress(elsewhere, true);
  bool moved = false;
  for (int i = 0; i < 100 && !moved; ++i)
    moved = watch->next(time::milliseconds(50))->through == as_revision(elsewhere);
  EXPECT_TRUE(moved);
}

// What was told would be past all that a store can tell: the next stream would begin at a revision below zero.
TEST_F(EtcdWatchTest, RevisionThatNoStoreCanHaveIsAnErrorThatPasses) {
  auto store = open();
  const auto last = static_cast<std::int64_t>(lease::kLastRevision.value);
  cluster.restore(last);
  auto watch = store->watch("", as_revision(last));
  ASSERT_TRUE(watch->next(time::milliseconds(100)));
  cluster.put({{"gnomon/k", "too late"}});
  auto refused = watch->next(time::milliseconds(100));
  for (int i = 0; i < 200 && refused; ++i) {
    EXPECT_TRUE(refused->changes.empty());
    EXPECT_EQ(refused->through, as_revision(last));
    refused = watch->next(time::milliseconds(100));
  }
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().text, HasSubstr("a revision that no store can have"));
  static_cast<void>(watch->next(time::milliseconds(500)));
  EXPECT_LE(a.served().watches + b.served().watches, 40) << "it does not hammer";
  cluster.restore(5);
  const Changes gap = next_news(*watch);
  EXPECT_TRUE(gap.gap);
  EXPECT_EQ(gap.through, (Revision{5}));
  cluster.put({{"gnomon/k", "another history"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry, (Entry{"k", "another history", {6}}));
}

TEST_F(EtcdWatchTest, NotificationOfSuchARevisionMovesNothing) {
  auto store = open({a.endpoint()});
  const Revision start = as_revision(cluster.revision());
  for (const std::int64_t impossible : {std::int64_t{-1}, static_cast<std::int64_t>(lease::kLastRevision.value) + 1}) {
    const int watches = a.served().watches;
    auto watch = store->watch("", start);
    ASSERT_TRUE(watch->next(time::milliseconds(100)));
    wait_for_watches(a, watches + 1);
    a.notify_progress(impossible, true);
    for (int i = 0; i < 10; ++i)
      if (const auto nothing = watch->next(time::milliseconds(50)); nothing) {
        EXPECT_EQ(nothing->through, start);
      }
    cluster.put({{"gnomon/k", std::to_string(impossible)}});
    EXPECT_EQ(collect(*watch, 1).size(), 1U);
    cluster.restore(static_cast<std::int64_t>(start.value));
  }
}

TEST_F(EtcdWatchTest, ChangesOfAnotherClusterAreNotTold) {
  auto store = open({a.endpoint()});
  auto watch = store->watch("", as_revision(cluster.revision()));
  ASSERT_TRUE(watch->next(time::milliseconds(100)));
  wait_for_watches(a, 1);
  cluster.put({{"gnomon/k", "1"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "1");
  a.answer_as_cluster(0xdead);  // on the stream that is open
  cluster.put({{"gnomon/k", "2"}});
  auto refused = watch->next(time::milliseconds(100));
  for (int i = 0; i < 200 && refused; ++i) {
    EXPECT_TRUE(refused->changes.empty());
    refused = watch->next(time::milliseconds(100));
  }
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().text, testing::AllOf(HasSubstr(a.endpoint()), HasSubstr("dead"), HasSubstr("c1")));
  a.answer_as_cluster(0);
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "2") << "it is told by whom it comes from";
}

// A member that lags is asked how far the store is. That answer decides whether everything is read anew.
TEST_F(EtcdWatchTest, RevisionOfWhomeverElseIsNoGap) {
  using Page = etcdserverpb::RangeResponse;
  constexpr auto kBeyond = static_cast<std::int64_t>(lease::kLastRevision.value) + 1;
  const std::vector<std::pair<std::string, std::function<void(Page&)>>> answers{
      {"cluster",
       [](Page& page) {
         page.mutable_header()->set_cluster_id(0xdead);
         page.mutable_header()->set_revision(1);
       }},
      {"a revision that no store can have", [](Page& page) { page.mutable_header()->set_revision(-1); }},
      {"a revision that no store can have", [](Page& page) { page.mutable_header()->set_revision(kBeyond); }}};
  for (const auto& [words, forge] : answers) {
    FakeMember member(cluster);
    auto store = open({member.endpoint()});
    const Revision start = as_revision(cluster.put({{"gnomon/k", "old"}}));
    member.lag(1);
    for (int i = 0; i < 100; ++i)  // as often as it asks
      member.next_range({true, std::nullopt, false, {}, forge});
    auto watch = store->watch("", start);
    auto refused = watch->next(time::milliseconds(100));
    for (int i = 0; i < 200 && refused; ++i) {
      EXPECT_FALSE(refused->gap) << words;
      refused = watch->next(time::milliseconds(100));
    }
    ASSERT_FALSE(refused) << words;
    EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
    EXPECT_THAT(refused.error().text, HasSubstr(words));
    member.lag(0);
    cluster.put({{"gnomon/k", "new"}});
    EXPECT_EQ(collect(*watch, 1)[0].entry.value, "new") << "and nothing was missed";
  }
}

TEST_F(EtcdWatchTest, ForgottenLoginIsMadeAnew) {
  user = "gn";
  a.want_login("secret");
  auto store = open({a.endpoint()});
  auto watch = store->watch("", as_revision(cluster.revision()));
  cluster.put({{"gnomon/k", "1"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "1");
  EXPECT_EQ(a.served().logins, 1);
  a.forget_tokens();
  a.cut_streams();
  for (int i = 0; i < 400 && a.served().watches < 2; ++i)
    static_cast<void>(watch->next(time::milliseconds(50)));
  cluster.put({{"gnomon/k", "2"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "2");
  EXPECT_EQ(a.served().logins, 2);
}

TEST_F(EtcdWatchTest, RefusedWatchIsAnErrorThatPasses) {
  a.refuse_watches();
  auto store = open({a.endpoint()});
  auto watch = store->watch("", as_revision(cluster.revision()));
  const auto refused = watch->next(time::milliseconds(500));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StoreErrorKind::kUnavailable);
  EXPECT_THAT(refused.error().text, HasSubstr("grant-permission"));
  EXPECT_LE(a.served().watches, 20) << "it does not hammer";
  a.refuse_watches(false);
  cluster.put({{"gnomon/k", "1"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "1");
}

TEST_F(EtcdWatchTest, EndsAtAnyTime) {
  const auto ends_soon = [](std::unique_ptr<Watch> watch) {
    const auto start = steady_clock::now();
    watch.reset();
    EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(2));
  };
  auto store = open();
  ends_soon(store->watch("", {1}));  // never used
  auto connecting = store->watch("", {1});
  static_cast<void>(connecting->next({0}));
  ends_soon(std::move(connecting));
  auto following = store->watch("", as_revision(cluster.revision()));
  ASSERT_TRUE(following->next(time::milliseconds(200)));
  ends_soon(std::move(following));
  auto orphaned = store->watch("", as_revision(cluster.revision()));
  ASSERT_TRUE(orphaned->next(time::milliseconds(200)));
  auto gone = store->watch("", as_revision(cluster.revision()));
  a.stop();
  b.stop();
  ends_soon(std::move(orphaned));
  static_cast<void>(gone->next(time::milliseconds(300)));
  ends_soon(std::move(gone));
}

TEST_F(EtcdWatchTest, ServerThatSaysNothingHoldsNobody) {
  // The kernel accepts the connection; nobody ever answers on it.
  const platform::UniqueFd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(silent.get(), 8), 0);
  ASSERT_EQ(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  auto store = open({"127.0.0.1:" + std::to_string(ntohs(address.sin_port)), a.endpoint()});
  auto watch = store->watch("", as_revision(cluster.revision()));
  const auto start = steady_clock::now();
  static_cast<void>(watch->next(time::milliseconds(100)));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(2));
  auto abandoned = store->watch("", as_revision(cluster.revision()));
  static_cast<void>(abandoned->next(time::milliseconds(50)));
  const auto end = steady_clock::now();
  abandoned.reset();
  EXPECT_LT(steady_clock::now() - end, std::chrono::seconds(2));
  cluster.put({{"gnomon/k", "1"}});
  EXPECT_EQ(collect(*watch, 1)[0].entry.value, "1") << "the next endpoint is tried";
}

TEST_F(EtcdWatchTest, WorksBesideTheStoreOnAnotherThread) {
  auto store = open();
  auto watch = store->watch("", as_revision(cluster.revision()));
  std::vector<Change> told;
  std::thread watcher([&] { told = collect(*watch, 100); });
  Revision last;
  for (int i = 0; i < 100; ++i) {
    const auto done = store->commit({{{"k", last}}, {{"k", std::to_string(i)}}, {}});
    ASSERT_TRUE(done) << done.error().text;
    last = *done;
  }
  watcher.join();
  ASSERT_EQ(told.size(), 100U);
  EXPECT_EQ(told.back().entry, (Entry{"k", "99", last}));
}

}  // namespace
}  // namespace gnomon::control
