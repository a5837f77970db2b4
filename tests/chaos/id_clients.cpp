// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <system_error>

#include "client/client.hpp"
#include "oracle/wire/message.hpp"
#include "tests/chaos/clients.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/ledger.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::chaos {
namespace {

using namespace std::chrono_literals;

constexpr time::Duration kRawPeriod = time::milliseconds(10);
constexpr time::Duration kSinglePeriod = time::milliseconds(5);
constexpr time::Duration kBatchPeriod = time::milliseconds(40);
constexpr auto kPatience = 200ms;
constexpr support::Load kLoad{.layout = 1, .count = 16, .messages_per_datagram = 2};
constexpr std::uint64_t kBatch = 2000;  // js53 has 128 in a unit, so these are many ranges
constexpr id::LayoutNumber kLayouts[] = {id::kSnowflake, id::kInstagram, id::kJs53};

void note_range(Diary& diary, Kind kind, id::LayoutNumber layout, const client::IdRange& range, time::Tai asked,
                time::Tai answered) {
  Answer answer{.asked = asked, .answered = answered, .domain = id_domain(layout.value), .kind = kind};
  if (range.stride == 1) {
    answer.first = range.first.value;
    answer.last = range.last().value;
    diary.served(answer);
    return;
  }
  for (std::uint32_t i = 0; i < range.count; ++i) {
    answer.first = answer.last = range.at(i).value;
    diary.served(answer);
  }
}

client::Result<client::Client> client_of(const std::vector<std::string>& servers) {
  return client::Client::connect({.servers = servers, .order = client::ServerOrder::kRandomStart});
}

}  // namespace

void Pace::wait() {
  const time::Tai now = true_now();
  due_ = due_ ? *due_ + period_ : now + period_;
  if (*due_ < now) due_ = now;
  support::nap(static_cast<int>((*due_ - now).ns / 1'000'000));
}

void ask_daemon(Diary& diary, const std::stop_token& stop, const platform::Endpoint& server, std::uint8_t daemon,
                std::uint64_t seed) {
  std::optional<support::RawClient> client;
  Pace pace(kRawPeriod);
  for (; !stop.stop_requested(); pace.wait()) {
    support::Ledger received;
    support::Tally tally;
    const time::Tai asked = true_now();
    try {
      if (!client) client.emplace(server, seed++);
      tally = client->exchange(kLoad, kPatience, received);
    } catch (const std::system_error&) {
      // The kernel has found out that nobody is at that address; a client that gave up here would see nothing more.
      diary.refused(Kind::kId, "host unreachable");
      client.reset();
    }
    const time::Tai answered = true_now();
    for (const support::IssuedRange& range : received.ranges())
      diary.served({.asked = asked,
                    .answered = answered,
                    .first = range.first,
                    .last = range.first + range.count - 1,
                    .domain = id_domain(range.layout, range.machine, range.token_low),
                    .kind = Kind::kId,
                    .daemon = daemon});
    for (std::size_t status = 1; status < std::size(tally.by_status); ++status)
      diary.refused(Kind::kId, wire::text_of(static_cast<wire::Status>(status)), tally.by_status[status]);
    diary.refused(Kind::kId, "no answer", tally.silent);
  }
}

void ask_singly(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& servers) {
  auto client = client_of(servers);
  if (!client) return diary.refused(Kind::kId, client.error().text);
  Pace pace(kSinglePeriod);
  for (std::size_t turn = 0; !stop.stop_requested(); ++turn) {
    const id::LayoutNumber layout = kLayouts[turn % std::size(kLayouts)];
    const time::Tai asked = true_now();
    const auto id = client->next_id(layout);
    if (id)
      note_range(diary, Kind::kId, layout, {*id, 1, 1}, asked, true_now());
    else
      diary.refused(Kind::kId, client::text_of(id.error().kind));
    pace.wait();
  }
}

void ask_batches(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& servers) {
  auto client = client_of(servers);
  if (!client) return diary.refused(Kind::kBatch, client.error().text);
  Pace pace(kBatchPeriod);
  for (std::size_t turn = 0; !stop.stop_requested(); ++turn) {
    const id::LayoutNumber layout = kLayouts[turn % std::size(kLayouts)];
    const time::Tai asked = true_now();
    const auto ranges = client->next_ids(layout, kBatch);
    const time::Tai answered = true_now();
    if (!ranges) diary.refused(Kind::kBatch, client::text_of(ranges.error().kind));
    for (const client::IdRange& range : ranges ? *ranges : std::vector<client::IdRange>{})
      note_range(diary, Kind::kBatch, layout, range, asked, answered);
    pace.wait();
  }
}

}  // namespace gnomon::chaos
