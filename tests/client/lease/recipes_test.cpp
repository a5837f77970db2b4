// SPDX-License-Identifier: Apache-2.0
//
// The recipes against a server that does what the test says: what each of them promises, and the failures that its
// header tells of.
#include <atomic>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

#include "client/lease/cache_lease.hpp"
#include "client/lease/chunk_lease.hpp"
#include "client/lease/exclusive_job.hpp"
#include "client/lease/leader_election.hpp"
#include "tests/client/lease/lease_fixture.hpp"

namespace gnomon::client {
namespace {

using support::eventually;

class RecipesTest : public LeaseTest {};

TEST_F(RecipesTest, OneLeadsAtATimeAndTheNextOneFollowsAtOnce) {
  const auto client = connect();
  const auto first_session = open(*client);
  const auto second_session = open(*client);
  LeaderElection first(*first_session, {.name = "leader", .metadata = "host-1"});
  LeaderElection second(*second_session, {.name = "leader", .metadata = "host-2"});
  const auto term = first.campaign(time::seconds(20));
  ASSERT_TRUE(term);
  EXPECT_EQ(first.campaign({}).value(), *term) << "the term that it has";
  EXPECT_TRUE(first.leads());
  EXPECT_EQ(second.campaign({}).error().kind, LeaseErrorKind::kHeld);
  auto waiting = later([&] { return second.campaign(time::seconds(60)); });
  ASSERT_TRUE(eventually([&] { return table_.waiters("leader") == 1; }));
  EXPECT_FALSE(second.leads());
  EXPECT_TRUE(first.resign());
  EXPECT_FALSE(first.leads());
  const auto next = waiting.get();
  ASSERT_TRUE(next);
  EXPECT_GT(*next, *term);
  EXPECT_TRUE(second.leads());
  EXPECT_EQ(second.token(), *next);
}

TEST_F(RecipesTest, AStandingCampaignTellsOfEachTermAndOfItsEnd) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(1));
  std::mutex mutex;
  std::vector<std::string> told;
  const auto tell = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    told.push_back(what);
  };
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return told.size();
  };
  LeaderElection election(*session, {.name = "leader"});
  ASSERT_TRUE(
      election.campaign_for_ever({.on_elected = [&](std::uint64_t) { tell("elected"); },
                                  .on_deposed = [&] { tell("deposed"); },
                                  .on_given_up = [&](const LeaseError& e) { tell(std::string(text_of(e.kind))); }}));
  EXPECT_FALSE(election.campaign_for_ever({})) << "once";
  ASSERT_TRUE(eventually([&] { return count() == 1; }));
  EXPECT_TRUE(election.leads());
  table_.end_session(session->id());
  ASSERT_TRUE(eventually([&] { return count() == 3; }));
  EXPECT_EQ(told, (std::vector<std::string>{"elected", "deposed", "session_lost"}));
  EXPECT_FALSE(election.leads());
}

TEST_F(RecipesTest, ACampaignEndsWhenItResigns) {
  const auto client = connect();
  const auto first = open(*client);
  const auto second = open(*client);
  const auto leader = first->acquire("leader");
  std::optional<LeaderElection> election;
  election.emplace(*second, ElectionOptions{.name = "leader"});
  std::atomic<int> elected{0};
  ASSERT_TRUE(election->campaign_for_ever({.on_elected = [&](std::uint64_t) { ++elected; }}));
  ASSERT_TRUE(eventually([&] { return table_.waiters("leader") == 1; }));
  election.reset();
  EXPECT_EQ(table_.waiters("leader"), 0U);
  EXPECT_EQ(elected.load(), 0);
}

TEST_F(RecipesTest, AnObserverIsToldWhoLeadsAndOnlyOfChanges) {
  const auto client = connect();
  const auto session = open(*client);
  const auto observer = std::move(*LeaderObserver::open(*client, "leader"));
  const auto next = [&] { return observer->next(time::seconds(20)).value().value(); };
  EXPECT_TRUE(next().vacant) << "that nobody leads is told, too";
  const auto namesake = session->acquire("leader/of/others");
  auto lease = session->acquire("leader", {.metadata = "host-1"});
  const Leadership led = next();
  EXPECT_FALSE(led.vacant);
  EXPECT_EQ(led.token, lease->token());
  EXPECT_EQ(led.metadata, "host-1");
  server_.stop();
  server_.start();
  EXPECT_FALSE(observer->next(time::milliseconds(500)).value()) << "the same leader after a gap is nothing new";
  EXPECT_TRUE(lease->release());
  EXPECT_TRUE(next().vacant);
}

TEST_F(RecipesTest, AJobRunsAloneAndReleasesHoweverItEnds) {
  const auto client = connect();
  const auto session = open(*client);
  const auto other = open(*client);
  bool ran = false;
  const auto end = run_exclusively(*session, "job", [&](Lease& lease, const std::stop_token& stop) {
    ran = lease.holds() && !stop.stop_requested();
    EXPECT_EQ(run_exclusively(*other, "job", [](Lease&, const std::stop_token&) { FAIL(); }).error().kind,
              LeaseErrorKind::kHeld);
  });
  EXPECT_TRUE(ran);
  EXPECT_EQ(end.value(), JobEnd::kDone);
  EXPECT_TRUE(is_free("job"));
  EXPECT_THROW(static_cast<void>(run_exclusively(
                   *session, "job", [](Lease&, const std::stop_token&) { throw std::runtime_error("of the job"); })),
               std::runtime_error);
  EXPECT_TRUE(is_free("job"));
}

TEST_F(RecipesTest, AJobInDangerIsAskedToStopWhileItStillHolds) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(6));
  server_.always("RenewSession", LeaseScript{.apply = false, .hold = true});
  bool held_when_asked = false;
  const auto end = run_exclusively(*session, "job", [&](Lease& lease, const std::stop_token& stop) {
    EXPECT_TRUE(eventually([&] { return stop.stop_requested(); }));
    held_when_asked = lease.holds();
    server_.always("RenewSession", std::nullopt);
    EXPECT_TRUE(eventually([&] { return lease.belief() == Belief::kHeld; })) << "a renewal comes through after all";
    EXPECT_TRUE(stop.stop_requested()) << "but what was asked stays asked";
  });
  EXPECT_TRUE(held_when_asked);
  EXPECT_EQ(end.value(), JobEnd::kStopped);
}

TEST_F(RecipesTest, AJobThatGoesOnPastItsLeaseIsToldSo) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(1));
  const auto end = run_exclusively(*session, "job", [&](Lease& lease, const std::stop_token& stop) {
    table_.end_session(session->id());
    EXPECT_TRUE(eventually([&] { return !lease.holds(); }));
    EXPECT_TRUE(eventually([&] { return stop.stop_requested(); }));
  });
  EXPECT_EQ(end.value(), JobEnd::kOverrun);
}

TEST_F(RecipesTest, AWriterWaitsUntilReadersHaveDroppedTheirCopies) {
  const auto client = connect();
  const auto reader_session = open(*client, time::seconds(60));
  const auto writer_session = open(*client, time::seconds(60));
  const auto reader = std::move(*CacheReader::open(*client, *reader_session, "cache/"));
  const auto one = reader->hold("cache/user:1");
  const auto two = reader->hold("cache/user:2");
  ASSERT_TRUE(one && two);
  EXPECT_TRUE(reader->valid("cache/user:1", *one));
  EXPECT_EQ(reader->hold("other").error().kind, LeaseErrorKind::kBadArgument);
  bool wrote = false;
  const auto updated =
      update_cached(*client, *writer_session, "cache/user:1", time::seconds(20), [&](const Lease& lease) {
        wrote = true;
        EXPECT_TRUE(lease.holds());
        EXPECT_FALSE(reader->valid("cache/user:1", *one));
        EXPECT_TRUE(reader->valid("cache/user:2", *two)) << "which is nobody's business";
        EXPECT_EQ(reader->hold("cache/user:1").error().kind, LeaseErrorKind::kHeld) << "not while it is written";
      });
  ASSERT_TRUE(updated) << updated.error().text;
  EXPECT_TRUE(wrote);
  ASSERT_TRUE(eventually([&] { return reader->hold("cache/user:1").has_value(); }));
  EXPECT_TRUE(reader->valid("cache/user:1", *reader->hold("cache/user:1")));
  EXPECT_FALSE(reader->valid("cache/user:1", *one)) << "what was read before the write";
}

TEST_F(RecipesTest, AWriterWaitsOutADeadReader) {
  FakeLeaseServer of_reader(table_, (folder_.path() / "2").string());
  const auto client = connect();
  const auto reader_client = connect({of_reader.address()});
  const auto reader_session = open(*reader_client, time::seconds(2));
  const auto writer_session = open(*client, time::seconds(60));
  const auto reader = std::move(*CacheReader::open(*reader_client, *reader_session, "cache/"));
  const auto copy = reader->hold("cache/a");
  ASSERT_TRUE(copy);
  of_reader.stop();  // cut off: it hears of no writer and renews nothing
  const auto early = update_cached(*client, *writer_session, "cache/a", time::milliseconds(100),
                                   [&](const Lease&) { FAIL() << "while the reader may believe"; });
  EXPECT_EQ(early.error().kind, LeaseErrorKind::kHeld);
  EXPECT_TRUE(is_free("cache/a/w")) << "and is not in the readers' way";
  bool believed = true;
  ASSERT_TRUE(update_cached(*client, *writer_session, "cache/a", time::seconds(60),
                            [&](const Lease&) { believed = reader->valid("cache/a", *copy); }));
  EXPECT_FALSE(believed);
}

TEST_F(RecipesTest, AWriterThatLostItsLeaseDoesNotWrite) {
  const auto client = connect();
  const auto reader_session = open(*client, time::seconds(60));
  const auto writer_session = open(*client, time::seconds(1));
  const auto held = reader_session->acquire("cache/a/r/" + reader_session->id());  // by one that never listens
  auto update = later([&] {
    return update_cached(*client, *writer_session, "cache/a", time::seconds(60), [](const Lease&) { FAIL(); });
  });
  ASSERT_TRUE(eventually([&] { return server_.served("ListLeases") > 0; })) << "it waits for the reader";
  table_.end_session(writer_session->id());
  EXPECT_FALSE(update.get());
}

TEST_F(RecipesTest, AThreadThatIsTakingACopyIsNotDisturbedByAnotherOne) {
  FakeLeaseServer second(table_, (folder_.path() / "2").string());
  const auto client = connect({server_.address(), second.address()}, time::seconds(2));
  const auto session = open(*client, time::seconds(60));
  const auto reader = std::move(*CacheReader::open(*client, *session, "cache/"));
  const std::string lease = "cache/a/r/" + session->id();
  server_.next("Acquire", {.hold = true});  // granted; the other server says so later
  auto taken = later([&] { return reader->hold("cache/a"); });
  ASSERT_TRUE(becomes_held(lease));
  const auto meanwhile = reader->hold("cache/a");
  ASSERT_FALSE(meanwhile);
  EXPECT_EQ(meanwhile.error().kind, LeaseErrorKind::kHeld);
  const auto copy = taken.get();
  ASSERT_TRUE(copy) << copy.error().text;
  EXPECT_TRUE(reader->valid("cache/a", *copy));
  EXPECT_EQ(table_.holder_token(lease), *copy) << "a writer waits for it";
  EXPECT_EQ(*reader->hold("cache/a"), *copy) << "and others share it";

  const std::string other = "cache/b/r/" + session->id();
  second.next("Acquire", {.hold = true});  // which is asked first now
  auto dropped = later([&] { return reader->hold("cache/b"); });
  ASSERT_TRUE(becomes_held(other));
  reader->drop("cache/b");
  EXPECT_FALSE(dropped.get());
  EXPECT_TRUE(becomes_free(other)) << "nobody holds what nobody was told of";
}

TEST_F(RecipesTest, ACopyIsNotValidUnderALaterHold) {
  const auto client = connect();
  const auto session = open(*client, time::seconds(60));
  const auto reader = std::move(*CacheReader::open(*client, *session, "cache/"));
  const auto before = reader->hold("cache/a");
  ASSERT_TRUE(before);
  reader->drop("cache/a");  // by another thread: a write may follow, and this one was not told
  EXPECT_FALSE(reader->valid("cache/a", *before));
  const auto after = reader->hold("cache/a");
  ASSERT_TRUE(after);
  EXPECT_FALSE(reader->valid("cache/a", *before));
  EXPECT_TRUE(reader->valid("cache/a", *after));
}

// A copy that is valid after the source was read again is the same as the source: with readers and writers at random.
TEST_F(RecipesTest, AValidCopyIsNeverStale) {
  constexpr int kWrites = 25;
  const auto client = connect(time::seconds(20));
  std::atomic<int> source{0};
  std::atomic<bool> stop{false};
  std::atomic<int> checked{0};
  std::vector<std::future<void>> readers;
  readers.reserve(2);
  for (int i = 0; i < 2; ++i)
    readers.push_back(later([&] {
      const auto session = open(*client, time::seconds(60));
      const auto reader = std::move(*CacheReader::open(*client, *session, "cache/"));
      while (!stop) {
        const auto held = reader->hold("cache/a");
        if (!held) continue;
        const int copy = source;
        do {
          const int now = source;
          if (!reader->valid("cache/a", *held)) break;
          EXPECT_EQ(copy, now);
          ++checked;
        } while (!stop);
      }
    }));
  const auto session = open(*client, time::seconds(60));
  for (int i = 0; i < kWrites; ++i) {
    ASSERT_TRUE(update_cached(*client, *session, "cache/a", time::seconds(60), [&](const Lease&) { ++source; }));
    const int before = checked;
    ASSERT_TRUE(eventually([&] { return checked > before; })) << "readers come back";
  }
  stop = true;
  for (auto& reader : readers)
    reader.get();
}

TEST_F(RecipesTest, AllChunksOfAPrimaryHangOnOneSession) {
  constexpr int kChunks = 50;
  const auto client = connect();
  auto primary = std::move(*ChunkPrimary::open(
      *client, {.location = "host-1:7000", .ttl = time::seconds(8), .heartbeat = time::seconds(1)}));
  for (int i = 0; i < kChunks; ++i)
    ASSERT_TRUE(primary->take("chunk:" + std::to_string(i)));
  EXPECT_EQ(primary->chunks(), 50U);
  EXPECT_EQ(primary->take("chunk:7").value(), primary->token("chunk:7")) << "it has it already";
  const int before = server_.served("RenewSession");
  ASSERT_TRUE(eventually([&] { return server_.served("RenewSession") > before; }));
  EXPECT_LE(server_.served("RenewSession"), 25) << "renewals are the session's, not the chunks'";
  EXPECT_TRUE(primary->holds("chunk:49"));
  EXPECT_TRUE(primary->give_up("chunk:49"));
  EXPECT_FALSE(primary->holds("chunk:49"));
  EXPECT_EQ(primary->token("chunk:49"), 0U);
  EXPECT_FALSE(primary->give_up("chunk:49"));
  const int released = server_.served("Release");
  primary.reset();
  EXPECT_TRUE(table_.list("chunk:").empty());
  EXPECT_EQ(server_.served("Release"), released) << "one command frees them all";
}

TEST_F(RecipesTest, ALocationIsAskedForOnceAndAgainWhenItIsDoubted) {
  const auto client = connect();
  const auto first = std::move(*ChunkPrimary::open(*client, {.location = "host-1"}));
  const auto second = std::move(*ChunkPrimary::open(*client, {.location = "host-2"}));
  ASSERT_TRUE(first->take("chunk:1"));
  LocationCache cache(client);
  EXPECT_FALSE(cache.locate("chunk:1").value().cached);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(cache.locate("chunk:1").value().location, "host-1");
  EXPECT_EQ(cache.counters().questions, 1U);
  EXPECT_EQ(cache.counters().hits, 100U);
  EXPECT_LE(cache.locate("chunk:1").value().left, time::seconds(60));
  EXPECT_TRUE(first->give_up("chunk:1"));
  const auto token = second->take("chunk:1");
  EXPECT_EQ(cache.locate("chunk:1").value().location, "host-1") << "the old primary will refuse";
  cache.invalidate("chunk:1");
  const auto found = cache.locate("chunk:1");
  EXPECT_EQ(found.value().location, "host-2");
  EXPECT_EQ(found.value().token, *token);
  EXPECT_EQ(cache.locate("chunk:2").error().kind, LeaseErrorKind::kNotHeld);
}

TEST_F(RecipesTest, ALocationIsForgottenBeforeThePrimaryCanBeReplaced) {
  const auto client = connect(time::milliseconds(300));
  const auto session = open(*client, time::seconds(2));
  const auto lease = session->acquire("chunk:1", {.metadata = "host-1"});
  server_.always("RenewSession", LeaseScript{.apply = false, .hold = true});
  LocationCache cache(client);
  ASSERT_TRUE(cache.locate("chunk:1"));
  server_.always("GetLease", LeaseScript{.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")});
  EXPECT_TRUE(cache.locate("chunk:1")) << "it needs no server while it lasts";
  ASSERT_TRUE(eventually([&] { return !cache.locate("chunk:1"); }));
  server_.always("GetLease", std::nullopt);
  EXPECT_LT(table_.view("chunk:1").remaining_ns(), time::seconds(2).ns);
}

TEST_F(RecipesTest, AFullLocationCacheForgetsTheOneThatEndsFirst) {
  const auto client = connect();
  const auto shorter = open(*client, time::seconds(20));
  const auto longer = open(*client, time::seconds(600));
  const auto a = shorter->acquire("a");
  const auto b = longer->acquire("b");
  const auto c = longer->acquire("c");
  LocationCache cache(client, {.most = 2});
  for (const char* name : {"a", "b", "c"})
    ASSERT_TRUE(cache.locate(name));
  EXPECT_TRUE(cache.locate("b")->cached);
  EXPECT_TRUE(cache.locate("c")->cached);
  EXPECT_FALSE(cache.locate("a")->cached);
}

}  // namespace
}  // namespace gnomon::client
