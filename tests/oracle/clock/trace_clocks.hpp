// SPDX-License-Identifier: Apache-2.0
//
// The clocks as a trace drives them: processes with one-letter-or-longer names that step, and named values (events and
// messages) which travel between them. One class per kind of clock; each prints values as the source document does:
// 4 for Lamport, [2,2,0] for a vector in the order in which the processes were listed, (105,1) for a hybrid one.
//
// What a trace gets wrong itself (an unknown name, a word that is no number) is an exception: the trace has to be put
// right. What a clock refuses is output, with its reason.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oracle/clock/hlc.hpp"
#include "oracle/clock/lamport.hpp"
#include "oracle/clock/vector_clock.hpp"

namespace gnomon::clock {

inline std::uint64_t number_of(std::string_view text, int base = 10) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::invalid_argument(fmt::format("'{}' is not a number", text));
  return number;
}

/// "[1,2,3]" or "(1,2)" as numbers.
inline std::vector<std::uint64_t> numbers_of(std::string_view text) {
  if (text.size() < 2) throw std::invalid_argument(fmt::format("'{}' is not a list", text));
  text = text.substr(1, text.size() - 2);
  std::vector<std::uint64_t> numbers;
  for (std::size_t comma = 0; comma != std::string_view::npos; text = text.substr(std::min(text.size(), comma + 1))) {
    comma = text.find(',');
    numbers.push_back(number_of(text.substr(0, comma)));
  }
  return numbers;
}

/// "A", or "B=7" for one that has got to 7.
inline std::pair<std::string, std::uint64_t> name_and_start_of(const std::string& word) {
  const std::size_t equals = word.find('=');
  return {word.substr(0, equals), equals == std::string::npos ? 0 : number_of(word.substr(equals + 1))};
}

/// Processes and the named values that they make, of one kind of clock.
class TraceClocks {
 public:
  virtual ~TraceClocks() = default;
  /// An event of `process` that is called `name`; the receipt of the value `received`, if one is given.
  virtual std::string step(const std::string& process, const std::string& name,
                           const std::optional<std::string>& received) = 0;
  /// A value from outside.
  virtual std::string forge(const std::string& name, const std::string& value) = 0;
  [[nodiscard]] virtual std::string compare(const std::string& a, const std::string& b) const = 0;
  /// A command that only this kind has: its verb, and what it is about.
  virtual std::string other(const std::string& verb, const std::vector<std::string>& /*about*/) {
    throw std::invalid_argument(fmt::format("'{}' is no command here", verb));
  }

 protected:
  static std::string made(const std::string& name, const std::string& value, const std::string& process) {
    return fmt::format("{} = {} at {}", name, value, process);
  }
  static std::string refused(std::string_view why, const std::string& process, const std::string& value) {
    return fmt::format("refused, {} stays at {}: {}", process, value, why);
  }
};

class TraceLamport : public TraceClocks {
 public:
  explicit TraceLamport(const std::vector<std::string>& processes) {
    for (const std::string& word : processes) {
      const auto [name, start] = name_and_start_of(word);
      const ProcessId id{processes_.size() + 1};
      processes_[name] = {id, LamportClock({start})};
    }
  }
  std::string step(const std::string& process, const std::string& name,
                   const std::optional<std::string>& received) override {
    auto& [id, clock] = processes_.at(process);
    const auto time = received ? clock.receive(stamps_.at(*received).time) : clock.tick();
    if (!time) return refused(text_of(time.error()), process, fmt::to_string(clock.last().count));
    stamps_[name] = {*time, id};
    return made(name, fmt::to_string(time->count), process);
  }
  std::string forge(const std::string& name, const std::string& value) override {
    stamps_[name] = {{number_of(value)}, {}};
    return made(name, value, "nobody");
  }
  [[nodiscard]] std::string compare(const std::string& a, const std::string& b) const override {
    const LamportStamp x = stamps_.at(a);
    const LamportStamp y = stamps_.at(b);
    const bool a_first = x < y;
    const std::string order = (a_first ? a : b) + " first";
    if (x.time == y.time) return fmt::format("{} = {}, neither caused the other; {} by process", a, b, order);
    const auto& [smaller, larger] = a_first ? std::pair(a, b) : std::pair(b, a);
    return fmt::format("{} < {}, {} did not cause {}; {}", smaller, larger, larger, smaller, order);
  }

 private:
  struct Process {
    ProcessId id;
    LamportClock clock;
  };
  std::map<std::string, Process> processes_;
  std::map<std::string, LamportStamp> stamps_;
};

class TraceVector : public TraceClocks {
 public:
  explicit TraceVector(const std::vector<std::string>& processes) {
    for (const std::string& word : processes) {
      const auto [name, start] = name_and_start_of(word);
      std::vector<std::uint64_t> counts(names_.size());
      counts.push_back(start);
      names_.push_back(name);
      clocks_.push_back(clock_of(counts));
    }
  }
  std::string step(const std::string& process, const std::string& name,
                   const std::optional<std::string>& received) override {
    const std::size_t at = index_of(process);
    VectorClock& clock = clocks_[at];
    const auto done = received ? clock.receive(id_of(at), stamps_.at(*received)) : clock.tick(id_of(at));
    if (!done) return refused(text_of(done.error()), process, text(clock));
    stamps_[name] = clock;
    return made(name, text(clock), process);
  }
  std::string forge(const std::string& name, const std::string& value) override {
    stamps_[name] = clock_of(numbers_of(value));
    return made(name, text(stamps_[name]), "nobody");
  }
  [[nodiscard]] std::string compare(const std::string& a, const std::string& b) const override {
    const Causality relation = VectorClock::compare(stamps_.at(a), stamps_.at(b));
    if (relation == Causality::kConcurrent || relation == Causality::kEqual)
      return fmt::format("{} and {} are {}", a, b, text_of(relation));
    return fmt::format("{} happened {} {}", a, text_of(relation), b);
  }
  std::string other(const std::string& verb, const std::vector<std::string>& about) override {
    if (verb == "encode") return encoded(stamps_.at(about.at(0)));
    if (verb == "decode") return decoded(about);
    return TraceClocks::other(verb, about);
  }

 private:
  // Ids that are not the places in the list, so that nobody can take one for the other.
  static ProcessId id_of(std::size_t index) { return {0xa + index}; }
  // From the bytes that a peer would send.
  static VectorClock clock_of(const std::vector<std::uint64_t>& counts) {
    std::vector<std::byte> bytes{std::byte{1}, {}, {}, {}};
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      bytes[2] = static_cast<std::byte>(std::to_integer<int>(bytes[2]) + 1);
      for (const std::uint64_t number : {id_of(i).value, counts[i]})
        for (unsigned shift = 0; shift < 64; shift += 8)
          bytes.push_back(static_cast<std::byte>((number >> shift) & 0xff));
    }
    return VectorClock::decode(bytes).value();
  }
  [[nodiscard]] std::size_t index_of(const std::string& process) const {
    const auto at = std::find(names_.begin(), names_.end(), process);
    if (at == names_.end()) throw std::invalid_argument(fmt::format("no process is called '{}'", process));
    return static_cast<std::size_t>(at - names_.begin());
  }
  [[nodiscard]] std::string text(const VectorClock& clock) const {
    std::string counts;
    for (std::size_t i = 0; i < names_.size(); ++i)
      counts += fmt::format("{}{}", i == 0 ? "" : ",", clock.count_of(id_of(i)));
    return '[' + counts + ']';
  }
  static std::string encoded(const VectorClock& clock) {
    std::string hex;
    std::size_t at = 0;
    for (const std::byte byte : clock.encode()) {
      if (at >= 4 && at % 8 == 4) hex += ' ';  // the header, then one number per word
      hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
      ++at;
    }
    return hex;
  }
  [[nodiscard]] std::string decoded(const std::vector<std::string>& words) const {
    std::vector<std::byte> bytes;
    for (const std::string_view word : words)
      for (std::size_t i = 0; i < word.size(); i += 2)
        bytes.push_back(static_cast<std::byte>(number_of(word.substr(i, 2), 16)));
    const auto clock = VectorClock::decode(bytes);
    return clock ? text(*clock) : fmt::format("refused: {}", text_of(clock.error()));
  }

  std::vector<std::string> names_;
  std::vector<VectorClock> clocks_;
  std::map<std::string, VectorClock> stamps_;
};

class TraceHlc : public TraceClocks {
 public:
  explicit TraceHlc(const std::vector<std::string>& processes) {
    for (const std::string& name : processes)
      processes_[name] = {};
  }
  std::string step(const std::string& process, const std::string& name,
                   const std::optional<std::string>& received) override {
    auto& [clock, physical] = processes_.at(process);
    const auto stamp = received ? clock.update(physical, stamps_.at(*received)) : clock.now(physical);
    if (!stamp) return refused(text_of(stamp.error()), process, text(clock.last()));
    stamps_[name] = *stamp;
    return made(name, text(*stamp), process);
  }
  std::string forge(const std::string& name, const std::string& value) override {
    const auto pair = numbers_of(value);
    stamps_[name] = {pair.at(0) << kHlcCounterBits | pair.at(1)};
    return made(name, text(stamps_[name]), "nobody");
  }
  [[nodiscard]] std::string compare(const std::string& a, const std::string& b) const override {
    const HlcTimestamp x = stamps_.at(a);
    const HlcTimestamp y = stamps_.at(b);
    return fmt::format("{} {} {} {} {}", a, text(x), x < y ? "<" : x == y ? "=" : ">", b, text(y));
  }
  /// `physical A 100`: the clock on the wall of A, in ms.
  std::string other(const std::string& verb, const std::vector<std::string>& about) override {
    if (verb != "physical") return TraceClocks::other(verb, about);
    const auto ms = static_cast<std::int64_t>(number_of(about.at(1)));
    processes_.at(about.at(0)).physical = {ms * 1'000'000};
    return fmt::format("{} reads {} ms", about.at(0), ms);
  }

 private:
  struct Process {
    HybridClock clock;
    time::Tai physical;
  };
  static std::string text(HlcTimestamp stamp) { return fmt::format("({},{})", stamp.ms(), stamp.counter()); }

  std::map<std::string, Process> processes_;
  std::map<std::string, HlcTimestamp> stamps_;
};

}  // namespace gnomon::clock
