// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/frame/judge.hpp"

#include <array>
#include <cstring>

namespace gnomon::frame::testing {
namespace {

using page::Counter;
using support::Bytes;

constexpr std::size_t kMostWaiting = 64;

serve::testing::RigOptions rig_options() {
  serve::testing::RigOptions options;
  options.policy.auth = serve::AuthRule::kNever;
  options.park_limit = kMostWaiting;
  return options;
}

Bytes copy(const std::byte* begin, std::size_t size) { return {begin, begin + size}; }

std::string differing(std::string_view what, const Bytes& is, const Bytes& should) {
  return std::string(what) + "\n  is     " + support::to_hex(is) + "\n  should " + support::to_hex(should);
}

using Snapshot = std::array<std::uint64_t, page::kCounters>;

Snapshot snapshot(page::Counters& counters) {
  Snapshot values{};
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = counters.get(static_cast<Counter>(i));
  return values;
}

}  // namespace

StationOptions host_options() {
  StationOptions options;
  options.mac = kHostMac;
  options.endpoints = {{kHost4, kPort}, {kHost6, kPort}, {kOther4, kPort}, {kOther4, kOtherPort}};
  return options;
}

const std::vector<Counter>& frame_counters() {
  static const std::vector<Counter> kCounters = [] {
    std::vector<Counter> all{Counter::kDatagrams, Counter::kArpReplies, Counter::kNdpReplies, Counter::kEchoReplies,
                             Counter::kAddressConflicts};
    for (auto c = Counter::kDropFrameLength; c <= Counter::kDropNdp;
         c = static_cast<Counter>(static_cast<unsigned>(c) + 1))
      all.push_back(c);
    return all;
  }();
  return kCounters;
}

std::string_view name_of(Counter counter) {
  return counter == Counter::kCount ? "none" : page::kCounterTable[static_cast<std::size_t>(counter)].name;
}

Judge::Judge(const StationOptions& options)
    : options_(options), rig_(rig_options()), station_(options, rig_.page->counters) {
  rig_.grant({1}, time::seconds(1'000'000'000));
  rig_.burst();
}

Judge::Served Judge::handle(const Bytes& frame, const PortChecks& checks, std::size_t capacity) {
  Served served;
  const Snapshot before = snapshot(rig_.server.counters());
  placed_ = room_.place(frame, capacity);
  last_ = {};
  last_.out = station_.handle(placed_, checks, [&](auto payload, const auto& source, const auto& path) {
    ++served.times;
    served.payload = copy(payload.data(), payload.size());
    served.source = source;
    served.path = path;
    const std::size_t size = rig_.server.answer(payload, source, path);
    served.reply = copy(payload.data(), size);
    return size;
  });
  ++frames_;
  const Snapshot after = snapshot(rig_.server.counters());
  if (last_.out.length <= capacity) last_.reply = copy(placed_.data, last_.out.length);

  std::uint64_t counted = 0;
  for (const Counter counter : frame_counters()) {
    const auto i = static_cast<std::size_t>(counter);
    if (after[i] != before[i]) last_.counter = counter;
    counted += after[i] - before[i];
  }
  if (counted != 1) last_.counter = Counter::kCount;
  all_counted_ = 0;
  for (std::size_t i = 0; i < after.size(); ++i)
    all_counted_ += after[i] - before[i];
  return served;
}

std::string Judge::judge(const Bytes& frame, const PortChecks& checks, std::size_t capacity) {
  if (capacity == 0) capacity = frame.size();
  const Verdict verdict = verdict_of(options_, frame, checks, capacity);
  const Served served = handle(frame, checks, capacity);
  if (served.times != 0 && served.reply.size() < served.payload.size()) {
    if (waiting_.size() == kMostWaiting * wire::kMaxMessages) waiting_.erase(waiting_.begin());
    waiting_.push_back({served.path, frame});
  }
  std::string fault = check_counting(verdict);
  if (fault.empty()) fault = check_served(verdict, served);
  if (fault.empty()) fault = check_reply(frame, verdict, served);
  if (fault.empty()) fault = check_untouched(frame, verdict);
  return fault.empty() ? fault : fault + "\n  frame  " + support::to_hex(frame);
}

std::string Judge::check_counting(const Verdict& verdict) const {
  if (last_.counter == verdict.counter) {
    if (verdict.counter == Counter::kDatagrams || all_counted_ == 1) return {};
    return "counted elsewhere besides " + std::string(name_of(verdict.counter));
  }
  return "counted as " + std::string(name_of(last_.counter)) + ", not as " + std::string(name_of(verdict.counter));
}

std::string Judge::check_served(const Verdict& verdict, const Served& served) const {
  if (served.times != (verdict.counter == Counter::kDatagrams ? 1 : 0))
    return "the server was asked " + std::to_string(served.times) + " times";
  if (served.times == 0) return {};
  if (served.payload != verdict.payload) return differing("the server's payload", served.payload, verdict.payload);
  if (served.source != verdict.source) return "the server was told another source";
  if (served.path.socket != options_.port) return "the path names another port";
  return {};
}

std::string Judge::check_reply(const Bytes& frame, const Verdict& verdict, const Served& served) const {
  const bool by_server = !served.reply.empty();
  const Bytes expected = by_server ? reply_frame(options_, frame, served.reply, Reply::kInPlace) : verdict.reply;
  if (last_.out.length > placed_.capacity) return "the reply is longer than its buffer";
  if (last_.reply != expected) return differing("the reply", last_.reply, expected);
  const bool left = by_server && options_.port_makes_checksums;
  if (last_.out.checksums_left != left) return "the port is told the wrong thing about checksums";
  if (by_server) {
    const bool v4 = served.source.is_v4();
    const std::size_t l3 = v4 ? 20 : 40;
    if (last_.out.l3 != l3 || last_.out.length != last_.out.l2 + l3 + 8 + served.reply.size())
      return "the port is told the wrong lengths of headers";
  }
  // A buffer shorter than the least frame leaves no room for padding; in life buffers are longer.
  if (expected.empty() || left || placed_.capacity < support::kLeastFrame) return {};
  return support::check_reply_frame(last_.reply);
}

std::string Judge::check_untouched(const Bytes& frame, const Verdict& verdict) const {
  if (!room_.front_is_intact()) return "something was written in front of the frame";
  const bool dropped = verdict.counter != Counter::kDatagrams && verdict.reply.empty();
  if (dropped && copy(placed_.data, placed_.length) != frame) return "a dropped frame was changed";
  return {};
}

std::string Judge::advance(time::Duration by, std::vector<Bytes>* replies) {
  rig_.advance(by);
  Bytes payload(wire::kMaxDatagram);
  serve::ReturnPath path;
  while (const std::size_t size = rig_.server.next_parked(payload, path)) {
    Bytes reply;
    std::string fault =
        check_late_reply({payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size)}, path, reply);
    if (!fault.empty()) return fault;
    if (replies != nullptr) replies->push_back(std::move(reply));
  }
  if (rig_.server.parked() == 0) waiting_.clear();
  return {};
}

// The buffer ends with the payload and begins kMaxHeaders before it: what wrap may touch, and no byte more.
std::string Judge::check_late_reply(const Bytes& payload, const serve::ReturnPath& path, Bytes& reply) {
  Bytes buffer(Station::kMaxHeaders + payload.size(), std::byte{0xa7});  // junk, none of which may leave
  std::memcpy(buffer.data() + Station::kMaxHeaders, payload.data(), payload.size());
  const Frame placed = room_.place(buffer, buffer.size());
  const Outgoing out = station_.wrap(placed.data + Station::kMaxHeaders, payload.size(), path);
  if (!room_.front_is_intact()) return "wrap wrote in front of its room";
  const std::size_t headers = out.length - payload.size();
  if (headers > Station::kMaxHeaders) return "wrap wrote more than kMaxHeaders of headers";
  reply = copy(placed.data + (Station::kMaxHeaders - headers), out.length);
  if (out.checksums_left != options_.port_makes_checksums || out.length != out.l2 + out.l3 + 8U + payload.size())
    return "wrap tells the port the wrong thing";
  for (const Waiting& waiting : waiting_) {
    if (!(waiting.path == path)) continue;
    const Bytes expected = reply_frame(options_, waiting.request, payload, Reply::kLater);
    if (reply != expected) return differing("the late reply", reply, expected);
    return out.checksums_left ? std::string() : support::check_reply_frame(reply);
  }
  return "a late reply to nobody who waits";
}

std::string Judge::check_books() {
  std::uint64_t sum = 0;
  for (const Counter counter : frame_counters())
    sum += count(counter);
  if (sum == frames_) return {};
  return std::to_string(frames_) + " frames were counted " + std::to_string(sum) + " times";
}

}  // namespace gnomon::frame::testing
