// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as the messages of the status service: what the daemon is asked, and what it answers,
// as `gnomon status` reads it. Demanded:
//
//   - a report is the same after it was written and read once more, also one by another version;
//   - it can be shown: as text and as JSON, which is JSON;
//   - of the store only what is told to everybody is told; a listing comes back as it was, and what it holds is read
//     as rights and history, or refused by name.
//
// Input: a byte that says which message, then the message.
#include <string>

#include "cmd/gnomon/clock.hpp"
#include "cmd/gnomon/status.hpp"
#include "control/protobuf_log.hpp"
#include "control/service/status_codec.hpp"
#include "control/service/store_codec.hpp"
#include "oracle/lease/history.hpp"
#include "oracle/lease/stored_right.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kMaxInput = 2048;

/// By another version: fields are only ever added.
v1::GetStatusResponse with_a_field_more(const v1::GetStatusResponse& message) {
  v1::GetStatusResponse other;
  demand(other.ParseFromString(message.SerializeAsString() + "\xf8\x7f\x05"), "a field more is too much");
  return other;
}

void judge_report(const std::string& bytes) {
  v1::GetStatusResponse message;
  if (!message.ParseFromString(bytes)) return note("no message");
  const StatusReport report = from_message(message);
  const v1::GetStatusResponse written = to_message(report);
  v1::GetStatusResponse again;
  demand(again.ParseFromString(written.SerializeAsString()), "a report can't be read by the client");
  demand(to_message(from_message(again)).SerializeAsString() == written.SerializeAsString(),
         "a report is another one after it was sent");
  demand(to_message(from_message(with_a_field_more(written))).SerializeAsString() == written.SerializeAsString(),
         "a report of another version is another one");

  StatusReport before = report;
  before.sampled = time::saturating_add(report.sampled, time::seconds(-1));
  const cmd::Rates rates = cmd::rates_between(&before, report);
  demand(!cmd::status_text(report, rates).empty(), "a report without words");
  demand(report.ports.empty() || !cmd::ports_text(report).empty(), "ports without words");
  demand(cmd::JsonCheck::valid(cmd::status_json(report, rates)), "a report that is no JSON");
  demand(!cmd::clock_text(report).empty() && cmd::JsonCheck::valid(cmd::clock_json(report)), "a clock without words");
  note("report");
  if (!report.ports.empty()) note("ports");
  if (!rates.empty()) note("rates");
}

void judge_request(const std::string& bytes) {
  v1::ReadStoreRequest request;
  if (!request.ParseFromString(bytes)) return note("no message");
  const bool served = is_served_prefix(request.prefix());
  const std::string folder = request.prefix().substr(0, request.prefix().find('/') + 1);
  const bool open = folder == "right/" || folder == "session/" || folder == "history/" || folder == "meta/";
  demand(served == open, "something else of the store is told, or what is meant to be is not");
  note(served ? "told" : "not told");
}

void judge_listing(const std::string& bytes) {
  v1::ReadStoreResponse message;
  if (!message.ParseFromString(bytes)) return note("no message");
  const Listing listing = from_message(message);
  demand(from_message(to_message(listing)) == listing, "a listing is another one after it was sent");
  const lease::RightTable rights = lease::read_rights(listing.entries);
  for (const auto& [machine, right] : rights.rights) {
    demand(!right.window || right.window->value.floor <= right.window->value.ceiling, "a window that is none");
    if (right.window && right.window->value.state == lease::WindowState::kHeld)
      demand(right.grant && right.token(), "a right that nobody holds");
    note("right");
  }
  for (const lease::Unreadable& fault : rights.unreadable) {
    demand(!fault.text.empty() && rights.find(fault.machine) == nullptr, "what can't be read is relied on");
    note("unreadable right");
  }
  const lease::History history = lease::read_history(listing);
  for (const lease::Recorded& recorded : history.recorded)
    demand(recorded.key.starts_with(lease::kHistoryPrefix) && !recorded.acquisition.taken.empty(),
           "history of nothing");
  if (!history.recorded.empty()) note("history");
  if (!history.unreadable.empty()) note("unreadable history");
  const auto finding = lease::who_could_have(history, rights, {.identity = {1}, .epoch = 1, .floor = {0}}, {7}, {1000});
  demand(!finding.text.empty(), "a finding without words");
  const lease::Transaction pruned = lease::prune(listing, {2000}, 3);
  demand(pruned.deletes.size() <= 3 && pruned.puts.empty(), "more is pruned than was asked for");
}

v1::GetStatusResponse some_report() {
  v1::GetStatusResponse message;
  message.mutable_daemon()->set_instance("main");
  message.mutable_daemon()->set_version("0.1.0");
  message.mutable_daemon()->set_incarnation(0x1122334455667788);
  message.mutable_daemon()->add_listen("127.0.0.1:14666");
  message.mutable_clock()->set_state("following");
  message.mutable_clock()->mutable_truth()->set_earliest_tai_ns(1'790'000'037'000'000'000);
  message.mutable_clock()->mutable_truth()->set_latest_tai_ns(1'790'000'037'000'100'000);
  message.mutable_clock()->mutable_leap()->set_tai_minus_utc_ns(37'000'000'000);
  v1::TimeSource& source = *message.mutable_clock()->add_sources();
  source.set_description("ptp4l of eth0");
  source.set_state("used");
  source.set_offset_ns(-5);
  message.mutable_agent()->set_state("running");
  message.mutable_agent()->mutable_vote()->set_standing("member");
  v1::Worker& worker = *message.add_workers();
  v1::Right& right = *worker.add_rights();
  right.set_machine(7);
  right.set_token(1);
  right.set_ceiling_ns(1'790'000'010'000'000'000);
  v1::Counter& counter = *worker.add_counters();
  counter.set_name("datagrams");
  counter.set_value(4711);
  v1::Layout& layout = *message.add_layouts();
  layout.set_number(1);
  layout.set_name("snowflake");
  message.mutable_leases()->set_serving(true);
  message.set_sampled_uptime_ns(5'000'000'000);
  return message;
}

}  // namespace

Plan plan() {
  return {.longest = kMaxInput,
          .outcomes = {"no message", "report", "ports", "rates", "told", "not told", "right", "unreadable right",
                       "history", "unreadable history"}};
}

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> all;
  const auto add = [&](const std::string& name, std::uint8_t kind, const auto& message) {
    all[name] = Input{kind};
    const std::string bytes = message.SerializeAsString();
    all[name].insert(all[name].end(), bytes.begin(), bytes.end());
  };
  add("report", 0, some_report());
  add("empty_report", 0, v1::GetStatusResponse());
  v1::GetStatusResponse with_ports = some_report();
  v1::Port& port = *with_ports.add_ports();
  port.set_device("0000:3b:00.0");
  port.set_driver("mlx5_pci");
  port.set_state("up");
  port.set_speed_mbps(100'000);
  port.add_per_queue()->set_rx_frames(9);
  port.add_capabilities()->set_name("timestamps");
  add("report_with_ports", 0, with_ports);
  v1::GetStatusResponse odd = some_report();
  odd.mutable_clock()->set_now_ns(INT64_MIN);
  odd.mutable_clock()->mutable_truth()->set_earliest_tai_ns(INT64_MIN);
  odd.mutable_clock()->mutable_truth()->set_latest_tai_ns(INT64_MAX);
  odd.mutable_clock()->mutable_leap()->set_next_utc_ns(INT64_MAX);
  odd.mutable_daemon()->set_instance(std::string("a\0\x1b[2J\"", 7));
  add("report_of_a_mad_daemon", 0, odd);
  for (const char* prefix : {"right/", "session/1", "lease/", "", "meta", "rights/", "history/0"}) {
    v1::ReadStoreRequest request;
    request.set_prefix(prefix);
    std::string name = "asks_for_" + std::string(prefix);
    for (char& c : name)
      if (c == '/') c = '_';
    add(name, 1, request);
  }
  const std::string nonce = "nonce=000102030405060708090a0b0c0d0e0f";
  const std::string by = " incarnation=f0e1d2c3b4a5968778695a4b3c2d1e0f epoch=1";
  v1::ReadStoreResponse listing;
  listing.set_revision(9);
  const auto entry = [&](const std::string& key, const std::string& value, std::uint64_t modified) {
    v1::StoreEntry& to = *listing.add_entries();
    to.set_key(key);
    to.set_value(value);
    to.set_modified(modified);
  };
  entry("history/00000000000000001000-0001020304050607", "acquisition 1 " + nonce + by + " floors=7-1000 holder=a", 5);
  entry("right/m/00007/grant", "grant 1 " + nonce + by + " holder=a", 5);
  entry("right/m/00007/window", "window 1 " + nonce + " state=held floor=1000 ceiling=2000 token=0", 5);
  add("listing", 2, listing);
  entry("right/m/00008/window", "window 1 " + nonce + " state=held floor=1000 ceiling=2000 token=5", 6);
  entry("history/00000000000000001001-0001020304050607", "acquisition 9", 7);
  add("listing_with_damage", 2, listing);
  listing.mutable_entries(1)->set_modified(UINT64_MAX);
  listing.mutable_entries(0)->set_modified(UINT64_MAX);
  add("listing_of_impossible_revisions", 2, listing);
  return all;
}

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  gnomon::control::keep_protobuf_quiet();
  if (size > kMaxInput) return -1;
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: judge_report(bytes); break;
    case 1: judge_request(bytes); break;
    default: judge_listing(bytes); break;
  }
  return 0;
}
