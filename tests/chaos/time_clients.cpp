// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "client/client.hpp"
#include "client/shared_clock.hpp"
#include "tests/chaos/clients.hpp"

namespace gnomon::chaos {
namespace {

constexpr time::Duration kHlcPeriod = time::milliseconds(10);
constexpr time::Duration kCommitPeriod = time::milliseconds(40);
constexpr time::Duration kPagePeriod = time::milliseconds(20);
constexpr time::Duration kFurthestCommit = time::seconds(1);

std::uint64_t bits_of(time::Tai t) { return std::bit_cast<std::uint64_t>(t.ns); }

void note_interval(Diary& diary, const time::Interval& said, time::Tai asked, std::uint8_t daemon) {
  diary.served({.asked = asked,
                .answered = true_now(),
                .first = bits_of(said.earliest),
                .last = bits_of(said.latest),
                .kind = Kind::kNow,
                .daemon = daemon});
}

}  // namespace

HlcExchange::Seen HlcExchange::look() const {
  const std::scoped_lock lock(mutex_);
  return seen_;
}

void HlcExchange::tell(std::uint64_t chain, clock::HlcTimestamp value) {
  const std::scoped_lock lock(mutex_);
  if (seen_.chain == chain) seen_.highest = std::max(seen_.highest, value);
}

void HlcExchange::break_off(std::uint64_t chain) {
  const std::scoped_lock lock(mutex_);
  if (seen_.chain == chain) seen_ = {chain + 1, {}};
}

void keep_hybrid_time(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& servers,
                      HlcExchange& exchange) {
  std::optional<client::Client> client;
  std::uint64_t chain = 0;
  Pace pace(kHlcPeriod);
  while (!stop.stop_requested()) {
    const time::Tai asked = true_now();
    const HlcExchange::Seen seen = exchange.look();
    // A client remembers the largest that it was given, and with a chain that goes too.
    if (!client || seen.chain != chain) {
      auto fresh = client::Client::connect({.servers = servers, .order = client::ServerOrder::kRandomStart});
      if (!fresh) return diary.refused(Kind::kHlc, fresh.error().text);
      client.emplace(std::move(*fresh));
      chain = seen.chain;
    }
    const auto given = client->hlc_update(seen.highest);
    if (given) {
      // Told before it counts as answered: then whoever asks later has seen it.
      exchange.tell(chain, *given);
      diary.served({.asked = asked,
                    .answered = true_now(),
                    .first = seen.highest.value,
                    .last = given->value,
                    .domain = chain,
                    .kind = Kind::kHlc});
    } else {
      diary.refused(Kind::kHlc, client::text_of(given.error().kind));
      if (given.error().kind == client::ErrorKind::kTooFar) exchange.break_off(chain);
    }
    pace.wait();
  }
}

void commit(Diary& diary, const std::stop_token& stop, const std::string& server, std::uint8_t daemon) {
  auto client = client::Client::connect({.servers = {server}});
  if (!client) return diary.refused(Kind::kCommit, client.error().text);
  Pace pace(kCommitPeriod);
  for (std::uint64_t turn = 0; !stop.stop_requested(); ++turn, pace.wait()) {
    const time::Tai asked = true_now();
    const auto now = client->now();
    if (!now) {
      diary.refused(Kind::kNow, client::text_of(now.error().kind));
      continue;
    }
    note_interval(diary, *now, asked, daemon);
    const time::Tai t = now->latest;
    // Every fourth waits in the server, and all others here.
    const auto passed =
        turn % 4 == 0 ? client->commit_wait_at_server(t, kFurthestCommit) : client->commit_wait(t, kFurthestCommit);
    if (passed)
      diary.served({.asked = asked,
                    .answered = true_now(),
                    .first = bits_of(t),
                    .last = bits_of(t),
                    .kind = Kind::kCommit,
                    .daemon = daemon});
    else
      diary.refused(Kind::kCommit, client::text_of(passed.error().kind));
  }
}

void read_pages(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& instances) {
  std::vector<std::optional<client::SharedClock>> clocks(instances.size());
  Pace pace(kPagePeriod);
  for (; !stop.stop_requested(); pace.wait()) {
    for (std::size_t j = 0; j < instances.size(); ++j) {
      if (!clocks[j]) {
        auto opened = client::SharedClock::open({.instance = instances[j]});
        if (!opened) {
          diary.refused(Kind::kNow, client::text_of(opened.error().kind));
          continue;
        }
        clocks[j].emplace(std::move(*opened));
      }
      const time::Tai asked = true_now();
      const auto now = clocks[j]->now();
      if (now)
        note_interval(diary, *now, asked, static_cast<std::uint8_t>(j));
      else
        diary.refused(Kind::kNow, client::text_of(now.error().kind));
    }
  }
}

}  // namespace gnomon::chaos
