// SPDX-License-Identifier: Apache-2.0
//
// Sessions and leases against a server that does what the test says: several servers, lost answers, late copies, forks.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "tests/client/lease/lease_fixture.hpp"

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace gnomon::client {
namespace {

using std::chrono::milliseconds;
using support::eventually;

const grpc::Status kLost(grpc::StatusCode::UNAVAILABLE, "the answer was lost");

class LeaseClientTest : public LeaseTest {};

TEST_F(LeaseClientTest, HoldsWhatItAcquiredUntilItReleases) {
  const auto client = connect();
  const auto session = open(*client);
  EXPECT_EQ(session->id().size(), 32U);
  auto lease = session->acquire("database:1", {.metadata = "here"});
  ASSERT_TRUE(lease) << lease.error().text;
  EXPECT_TRUE(lease->holds());
  EXPECT_EQ(lease->belief(), Belief::kHeld);
  EXPECT_GT(lease->left(), time::seconds(5));
  EXPECT_EQ(lease->token(), table_.holder_token("database:1"));
  const auto info = client->get("database:1");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->status, LeaseStatus::kHeld);
  EXPECT_EQ(info->metadata, "here");
  EXPECT_NE(info->label.find(std::to_string(getpid())), std::string::npos) << info->label;
  EXPECT_EQ(client->validate("database:1", lease->token()).value(), TokenVerdict::kCurrent);
  EXPECT_EQ(client->validate("database:1", lease->token() - 1).value(), TokenVerdict::kStale);
  const std::uint64_t token = lease->token();
  EXPECT_TRUE(lease->release());
  EXPECT_FALSE(lease->holds());
  EXPECT_EQ(lease->left(), time::Duration{});
  EXPECT_TRUE(is_free("database:1"));
  EXPECT_EQ(lease->release().error().kind, LeaseErrorKind::kNotHeld);
  const auto again = session->acquire("database:1");
  ASSERT_TRUE(again);
  EXPECT_GT(again->token(), token);
}

TEST_F(LeaseClientTest, SaysWhoIsInTheWay) {
  const auto client = connect();
  const auto first = open(*client, SessionOptions{.label = "first"});
  const auto second = open(*client);
  const auto lease = first->acquire("a");
  ASSERT_TRUE(lease);
  const auto refused = second->acquire("a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, LeaseErrorKind::kHeld);
  EXPECT_EQ(refused.error().holder, "first");
  EXPECT_EQ(refused.error().token, lease->token());
}

TEST_F(LeaseClientTest, ADestroyedLeaseIsReleasedAndAMovedOneIsNot) {
  const auto client = connect();
  const auto session = open(*client);
  std::optional<Lease> kept;
  {
    auto lease = session->acquire("a");
    ASSERT_TRUE(lease);
    kept.emplace(std::move(*lease));
  }
  EXPECT_TRUE(kept->holds());
  EXPECT_FALSE(is_free("a"));
  auto other = session->acquire("b");
  ASSERT_TRUE(other);
  *kept = std::move(*other);
  EXPECT_TRUE(is_free("a")) << "what it was before is released";
  EXPECT_EQ(kept->name(), "b");
  kept.reset();
  EXPECT_TRUE(is_free("b"));
}

TEST_F(LeaseClientTest, OneSessionDoesNotHoldANameTwice) {
  const auto client = connect();
  const auto session = open(*client);
  auto lease = session->acquire("a");
  ASSERT_TRUE(lease);
  EXPECT_EQ(session->acquire("a").error().kind, LeaseErrorKind::kHeld);
  auto waiting = later([&] { return session->acquire("a", {.wait_for = time::seconds(60)}); });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(is_ready(waiting));
  EXPECT_TRUE(lease->release());
  const auto next = waiting.get();
  ASSERT_TRUE(next);
  EXPECT_GT(next->token(), lease->token());
}

TEST_F(LeaseClientTest, ListsAllPages) {
  const auto client = connect();
  const auto session = open(*client);
  std::vector<Lease> leases;
  leases.reserve(8);
  for (int i = 0; i < 8; ++i)
    leases.push_back(session->acquire("list/" + std::to_string(i)).value());
  const auto all = client->list("list/");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 8U);
  EXPECT_EQ(all->back().name, "list/7");
  EXPECT_EQ(all->back().token, leases.back().token());
}

TEST_F(LeaseClientTest, RenewsWhileItLives) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(1));
  const auto lease = session->acquire("a");
  ASSERT_TRUE(lease);
  ASSERT_TRUE(eventually([&] { return server_.served("RenewSession") >= 5 || !lease->holds(); }));
  EXPECT_TRUE(lease->holds()) << "five renewals are more than a TTL";
  EXPECT_EQ(table_.holder_token("a"), lease->token());
}

TEST_F(LeaseClientTest, ASilentServerIsDangerAndThenTheEnd) {
  const auto client = connect();
  std::mutex mutex;
  std::vector<std::string> told;
  SessionOptions options{.ttl = time::seconds(1)};
  bool held_in_danger = false;
  std::optional<LeaseResult<Lease>> lease;
  options.on_danger = [&] {
    const std::lock_guard lock(mutex);
    held_in_danger = (*lease)->holds() || (*lease)->belief() == Belief::kLost;
    told.emplace_back("danger");
  };
  options.on_lost = [&](const std::string& why) {
    const std::lock_guard lock(mutex);
    EXPECT_FALSE((*lease)->holds());
    told.push_back(why);
  };
  const auto session = open(*client, std::move(options));
  {
    const std::lock_guard lock(mutex);
    lease.emplace(session->acquire("a"));
  }
  ASSERT_TRUE(*lease);
  server_.always("RenewSession", LeaseScript{.apply = false, .hold = true});
  ASSERT_TRUE(eventually([&] { return !(*lease)->holds(); }));
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return told.size() == 2;
  }));
  EXPECT_EQ(told[0], "danger");
  EXPECT_NE(told[1].find("no renewal was answered in time"), std::string::npos) << told[1];
  EXPECT_TRUE(held_in_danger);
  server_.always("RenewSession", std::nullopt);
  EXPECT_EQ(session->acquire("b").error().kind, LeaseErrorKind::kSessionLost) << "for good";
  EXPECT_EQ(session->belief(), Belief::kLost);
}

TEST_F(LeaseClientTest, TheServersWordEndsASession) {
  const auto client = connect();
  std::promise<std::string> why;
  SessionOptions options{.ttl = time::seconds(1)};
  options.on_lost = [&](const std::string& text) { why.set_value(text); };
  const auto session = open(*client, std::move(options));
  const auto lease = session->acquire("a");
  ASSERT_TRUE(lease);
  table_.end_session(session->id());
  EXPECT_EQ(why.get_future().get(), "the session is over; open another one");
  EXPECT_FALSE(lease->holds());
  EXPECT_EQ(lease->wait(Belief::kHeld, time::seconds(60)), Belief::kLost);
}

TEST_F(LeaseClientTest, AnAcquisitionThatIsToldTheSessionIsOverEndsItAtOnce) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(60));  // no renewal comes by chance
  const auto lease = session->acquire("a");
  table_.end_session(session->id());
  EXPECT_TRUE(lease->holds());
  EXPECT_EQ(session->acquire("b").error().kind, LeaseErrorKind::kSessionLost);
  EXPECT_FALSE(lease->holds());
}

TEST_F(LeaseClientTest, AnotherServerIsAskedIfTheFirstIsGone) {
  const auto client = connect({"unix:" + (folder_.path() / "nobody").string(), server_.address()});
  const auto session = open(*client, time::seconds(1));
  const auto lease = session->acquire("a");
  ASSERT_TRUE(lease) << lease.error().text;
  EXPECT_TRUE(eventually([&] { return server_.served("RenewSession") >= 4; }));
  EXPECT_TRUE(lease->holds());
}

TEST_F(LeaseClientTest, RenewalsGoToAnotherServerWhenOneFallsSilent) {
  FakeLeaseServer second(table_, (folder_.path() / "2").string());
  const auto client = connect({server_.address(), second.address()});
  const auto session = open(*client, time::seconds(2));
  const auto lease = session->acquire("a");
  ASSERT_TRUE(lease);
  server_.always("RenewSession", LeaseScript{.apply = false, .hold = true});
  EXPECT_TRUE(eventually([&] { return second.served("RenewSession") >= 4; }));
  EXPECT_TRUE(lease->holds());
}

TEST_F(LeaseClientTest, ARefusalThatOtherServersMayNotMakeIsAskedElsewhere) {
  FakeLeaseServer second(table_, (folder_.path() / "2").string());
  for (const auto reason : {v1::CLOCK_UNSYNCHRONISED, v1::NOT_A_MEMBER}) {
    for (const char* method : {"OpenSession", "Acquire", "RenewSession", "GetLease"})
      server_.always(method, LeaseScript{.refuse = reason});
    const auto client = connect({server_.address(), second.address()});
    const auto session = open(*client);
    EXPECT_TRUE(session->acquire("a"));
    EXPECT_TRUE(client->get("a"));
    const auto alone = connect({server_.address()}, time::Duration{200'000'000});
    EXPECT_EQ(alone->get("a").error().kind, LeaseErrorKind::kUnsynchronised);
  }
}

// A full daemon is one daemon: what was to be given back or kept is not given up for good.
TEST_F(LeaseClientTest, WhatAFullServerRefusesIsAskedOfAnotherOneOrAgain) {
  const LeaseScript full{.apply = false, .status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full")};
  FakeLeaseServer second(table_, (folder_.path() / "2").string());
  for (const std::string method : {"RenewSession", "Release"}) {
    const auto client = connect({server_.address(), second.address()});
    const auto session = open(*client, time::seconds(1));
    auto lease = session->acquire("a");
    ASSERT_TRUE(lease);
    const int here = server_.served(method);
    const int there = second.served(method);
    server_.always(method, full);
    if (method == "Release") {
      EXPECT_TRUE(lease->release());
      EXPECT_TRUE(is_free("a"));
    }
    EXPECT_TRUE(eventually([&] { return second.served(method) > there; })) << method;
    EXPECT_GT(server_.served(method), here) << "it was asked first: " << method;
    server_.always(method, std::nullopt);
  }
  const auto alone = connect({server_.address()}, time::Duration{200'000'000});
  const auto session = open(*alone);
  auto lease = session->acquire("b");
  ASSERT_TRUE(lease);
  server_.always("Release", full);
  EXPECT_EQ(lease->release().error().kind, LeaseErrorKind::kOverloaded);
  EXPECT_FALSE(is_free("b"));
  server_.always("Release", std::nullopt);
  EXPECT_TRUE(becomes_free("b")) << "repeated in the background";
}

TEST_F(LeaseClientTest, ARefusalOfTheStoreIsAnAnswer) {
  FakeLeaseServer second(table_, (folder_.path() / "2").string());
  const auto client = connect({server_.address(), second.address()});
  server_.next("OpenSession", {.refuse = v1::RECOVERING});
  EXPECT_EQ(client->open_session().error().kind, LeaseErrorKind::kRecovering);
  EXPECT_EQ(second.served("OpenSession"), 0);
  server_.next("OpenSession", {.refuse = v1::BAD_TTL});
  EXPECT_EQ(client->open_session().error().kind, LeaseErrorKind::kBadArgument);
}

TEST_F(LeaseClientTest, WhatATransportErrorMeans) {
  const auto client = connect(time::Duration{300'000'000});
  const auto kind_after = [&](grpc::StatusCode code) {
    server_.always("GetLease", LeaseScript{.status = grpc::Status(code, "as the test says")});
    return client->get("a").error().kind;
  };
  EXPECT_EQ(kind_after(grpc::StatusCode::UNAVAILABLE), LeaseErrorKind::kUnreachable);
  EXPECT_EQ(kind_after(grpc::StatusCode::RESOURCE_EXHAUSTED), LeaseErrorKind::kOverloaded);
  EXPECT_EQ(kind_after(grpc::StatusCode::UNAUTHENTICATED), LeaseErrorKind::kForbidden);
  EXPECT_EQ(kind_after(grpc::StatusCode::PERMISSION_DENIED), LeaseErrorKind::kForbidden);
  EXPECT_EQ(kind_after(grpc::StatusCode::INVALID_ARGUMENT), LeaseErrorKind::kBadArgument);
  EXPECT_EQ(kind_after(grpc::StatusCode::INTERNAL), LeaseErrorKind::kServer);
  EXPECT_EQ(kind_after(grpc::StatusCode::UNIMPLEMENTED), LeaseErrorKind::kServer);
  server_.always("GetLease", LeaseScript{.hold = true});
  EXPECT_EQ(client->get("a").error().kind, LeaseErrorKind::kTimeout);
}

TEST_F(LeaseClientTest, ALostAnswerIsAskedForAgainAndTheGrantIsTheSame) {
  const auto client = connect();
  server_.next("OpenSession", {.status = kLost});
  const auto session = open(*client);
  server_.next("Acquire", {.status = kLost});
  const auto lease = session->acquire("a");
  ASSERT_TRUE(lease);
  EXPECT_EQ(server_.served("Acquire"), 2);
  EXPECT_EQ(lease->token(), table_.holder_token("a"));
  EXPECT_EQ(table_.open_sessions(), 1U);
}

TEST_F(LeaseClientTest, AReleaseWhoseAnswerWasLostIsASuccess) {
  const auto client = connect();
  const auto session = open(*client);
  auto lease = session->acquire("a");
  server_.next("Release", {.status = kLost});
  EXPECT_TRUE(lease->release()) << "not held any more is what was wanted";
}

TEST_F(LeaseClientTest, ASessionOutlivesARestartOfItsServer) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(8));
  const auto lease = session->acquire("a");
  server_.stop();
  EXPECT_TRUE(lease->holds());
  server_.start();
  const int before = server_.served("RenewSession");
  EXPECT_TRUE(session->acquire("b")) << "it is found again";
  EXPECT_TRUE(eventually([&] { return server_.served("RenewSession") > before; }));
  EXPECT_TRUE(lease->holds());
}

TEST_F(LeaseClientTest, ClosingFreesEverythingAtOnce) {
  const auto client = connect();
  const auto session = open(*client);
  auto lease = session->acquire("a", {.lock_delay = time::seconds(60)});
  ASSERT_TRUE(lease);
  EXPECT_TRUE(session->close());
  EXPECT_FALSE(lease->holds());
  EXPECT_TRUE(is_free("a"));
  EXPECT_EQ(session->close().error().kind, LeaseErrorKind::kClosed);
  EXPECT_EQ(session->acquire("b").error().kind, LeaseErrorKind::kClosed);
  EXPECT_EQ(lease->release().error().kind, LeaseErrorKind::kClosed);
}

TEST_F(LeaseClientTest, ADestroyedSessionIsClosedAndItsLeasesMayOutliveIt) {
  const auto client = connect();
  auto session = open(*client);
  auto lease = session->acquire("a");
  ASSERT_TRUE(lease);
  session.reset();
  EXPECT_TRUE(is_free("a"));
  EXPECT_FALSE(lease->holds());
  EXPECT_EQ(table_.open_sessions(), 0U);
}

TEST_F(LeaseClientTest, EverythingEndsInBoundedTimeBesideASilentServer) {
  const auto began = std::chrono::steady_clock::now();
  std::atomic<int> callbacks{0};
  {
    auto client = connect();
    SessionOptions options{.ttl = time::seconds(1)};
    options.on_danger = options.on_danger = [&] { ++callbacks; };
    options.on_lost = [&](const std::string&) { ++callbacks; };
    auto session = open(*client, std::move(options));
    const auto lease = session->acquire("a");
    for (const char* method : {"RenewSession", "CloseSession", "Release", "Acquire"})
      server_.always(method, LeaseScript{.apply = false, .hold = true});
    client.reset();  // the session keeps what it needs
    EXPECT_TRUE(lease->holds());
  }
  const int told = callbacks.load();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60)) << "two attempts of a second each";
  std::this_thread::sleep_for(milliseconds(1'200));  // longer than the TTL
  EXPECT_EQ(callbacks.load(), told) << "a callback ran after the session was gone";
}

TEST_F(LeaseClientTest, AForkedChildHoldsNothingAndSendsNothing) {
  auto client = connect();
  auto session = open(*client, time::seconds(60));
  std::optional<Lease> lease(session->acquire("a").value());
  auto watch = std::move(*client->watch("a"));
  const int before = server_.served("Acquire") + server_.served("Release") + server_.served("CloseSession");
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    const bool silent = !lease->holds() && lease->belief() == Belief::kLost && lease->left() == time::Duration{} &&
                        session->acquire("b").error().kind == LeaseErrorKind::kClosed &&
                        lease->release().error().kind == LeaseErrorKind::kClosed &&
                        session->close().error().kind == LeaseErrorKind::kClosed &&
                        client->get("a").error().kind == LeaseErrorKind::kClosed &&
                        client->open_session().error().kind == LeaseErrorKind::kClosed &&
                        watch->next({}).error().kind == LeaseErrorKind::kClosed;
    lease.reset();
    session.reset();
    watch.reset();
    client.reset();
    _exit(silent ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(server_.served("Acquire") + server_.served("Release") + server_.served("CloseSession"), before);
  EXPECT_TRUE(lease->holds()) << "and the parent goes on";
  EXPECT_TRUE(lease->release());
}

TEST_F(LeaseClientTest, AWatchTellsWhatIsThereThenWhatChangesAndOfGaps) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(60));
  auto first = session->acquire("w/1");
  const auto watch = std::move(*client->watch("w/"));
  const auto next = [&] {
    auto change = watch->next(time::seconds(20));
    EXPECT_TRUE(change && *change);
    return change && *change ? **change : LeaseChange();
  };
  const LeaseChange initial = next();
  EXPECT_TRUE(initial.initial);
  EXPECT_EQ(initial.lease.name, "w/1");
  EXPECT_TRUE(next().caught_up);
  const auto second = session->acquire("w/2");
  const LeaseChange granted = next();
  EXPECT_EQ(granted.lease.name, "w/2");
  EXPECT_EQ(granted.lease.token, second->token());
  EXPECT_TRUE(first->release());
  const LeaseChange released = next();
  EXPECT_EQ(released.lease.name, "w/1");
  EXPECT_EQ(released.lease.status, LeaseStatus::kFree);
  EXPECT_FALSE(watch->next({}).value()) << "nothing new";
  server_.stop();
  server_.start();
  EXPECT_TRUE(next().gap);
  const LeaseChange told_anew = next();
  EXPECT_TRUE(told_anew.initial);
  EXPECT_EQ(told_anew.lease.name, "w/2");
  EXPECT_TRUE(next().caught_up);
  server_.next("WatchLeases", {.status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "who are you?")});
  EXPECT_EQ(std::move(*client->watch(""))->next(time::seconds(20)).error().kind, LeaseErrorKind::kForbidden);
}

TEST_F(LeaseClientTest, BreakingTakesTheLeaseAndEndsItsSession) {
  const auto client = connect();
  std::atomic<bool> lost{false};
  SessionOptions options{.ttl = time::seconds(1)};
  options.on_lost = [&](const std::string&) { lost = true; };
  const auto session = open(*client, std::move(options));
  const auto lease = session->acquire("a");
  EXPECT_EQ(client->break_lease("a").value(), lease->token());
  EXPECT_TRUE(eventually([&] { return lost.load(); }));
  EXPECT_FALSE(lease->holds());
}

TEST_F(LeaseClientTest, OptionsThatCantWorkAreRefusedBeforeAnythingIsSent) {
  const auto refused = [](const LeaseClientOptions& options) {
    const auto client = LeaseClient::connect(options);
    return !client && client.error().kind == LeaseErrorKind::kBadArgument && !client.error().text.empty();
  };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({.servers = std::vector<std::string>(17, "unix:/x")}));
  for (const char* server : {"", "unix:", "host", "host:", ":1", "host:0", "host:65536", "host:1x", "::1:5"})
    EXPECT_TRUE(refused({.servers = {server}, .tls = LeaseTls{"a", "b", "c", ""}})) << server;
  EXPECT_TRUE(refused({.servers = {"host:14667"}})) << "TCP needs TLS";
  EXPECT_TRUE(refused({.servers = {"unix:/x"}, .tls = LeaseTls{"only a CA", "", "", ""}}));
  EXPECT_TRUE(refused({.servers = {"host:1"}, .tls = LeaseTls{"/nowhere/ca", "/nowhere/cert", "/nowhere/key", ""}}));
  EXPECT_TRUE(refused({.servers = {"unix:/x"}, .deadline = {}}));
  const auto client = connect();
  SessionOptions options;
  options.keeper.danger = time::seconds(10);
  EXPECT_EQ(client->open_session(std::move(options)).error().kind, LeaseErrorKind::kBadArgument);
  EXPECT_EQ(server_.served("OpenSession"), 0);
  const auto session = open(*client);
  EXPECT_EQ(session->acquire("a", {.wait_for = time::Duration{-1}}).error().kind, LeaseErrorKind::kBadArgument);
}

// The server on TCP would say FOREIGN_SESSION, at the first renewal that goes there: when the other one has died.
TEST_F(LeaseClientTest, UnixSocketsAndTcpInOneListAreRefused) {
  const LeaseTls tls{"/nowhere/ca", "/nowhere/cert", "/nowhere/key", ""};
  for (const std::vector<std::string>& servers :
       {std::vector<std::string>{server_.address(), "host:14667"},
        std::vector<std::string>{"host:14667", "other:14667", server_.address()}}) {
    const auto client = LeaseClient::connect({.servers = servers, .tls = tls});
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().kind, LeaseErrorKind::kBadArgument);
    EXPECT_NE(client.error().text.find("can't be servers of one lease client"), std::string::npos)
        << client.error().text;
    EXPECT_NE(client.error().text.find(server_.address()), std::string::npos) << client.error().text;
    EXPECT_NE(client.error().text.find("host:14667"), std::string::npos) << client.error().text;
  }
  EXPECT_TRUE(LeaseClient::connect({.servers = {server_.address(), "unix:/another"}})) << "both are local";
}

TEST_F(LeaseClientTest, ManyThreadsContendAndOneHoldsAtATime) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20;
  const auto client = connect(time::seconds(20));
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::mutex mutex;
  std::set<std::uint64_t> tokens;
  std::vector<std::future<void>> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i)
    threads.push_back(later([&] {
      const auto session = open(*client, time::seconds(60));
      for (int round = 0; round < kRounds; ++round) {
        auto lease = session->acquire("a", {.wait_for = time::seconds(60)});
        ASSERT_TRUE(lease) << lease.error().text;
        most = std::max(most.load(), ++inside);
        {
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(tokens.insert(lease->token()).second);
          EXPECT_EQ(lease->token(), *tokens.rbegin()) << "in the order in which they held it";
        }
        --inside;
        ASSERT_TRUE(lease->release());
      }
    }));
  for (auto& thread : threads)
    thread.get();
  EXPECT_EQ(most.load(), 1);
  EXPECT_EQ(tokens.size(), static_cast<std::size_t>(kThreads) * kRounds);
}

}  // namespace
}  // namespace gnomon::client
