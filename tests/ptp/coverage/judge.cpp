// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/coverage/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace gnomon::coverage {
namespace {

using time::Duration;

constexpr double kPpb = 1e-9;
constexpr Duration kLastSecond = time::seconds(1);

Duration rounded_up(double ns) { return {static_cast<std::int64_t>(std::ceil(ns))}; }

// How far [earliest, latest] is from [from, until]; 0 if they meet.
template <typename T>
Duration gap(time::IntervalOf<T> interval, T from, T until) {
  return std::max({Duration{}, interval.earliest - until, from - interval.latest});
}

Widths widths_of(std::vector<Duration> epsilons) {
  if (epsilons.empty()) return {};
  std::sort(epsilons.begin(), epsilons.end());
  return {epsilons[epsilons.size() / 2], epsilons[epsilons.size() * 99 / 100], epsilons.back()};
}

// A record that a change falls into counts as broken.
bool within(const Record& record, std::span<const Span> spans) {
  return std::any_of(spans.begin(), spans.end(),
                     [&](const Span& span) { return record.after >= span.from && record.before <= span.until; });
}

double us(Duration d) { return static_cast<double>(d.ns) / 1000; }

std::string text_of(const Tally& tally) {
  return fmt::format("{} of {} missed ({:.2f} %), worst by {:.1f} us", tally.missed, tally.judged,
                     tally.missed_percent(), us(tally.worst));
}

std::string text_of(const Widths& widths) {
  return fmt::format("p50 {:.1f} us, p99 {:.1f} us, most {:.1f} us", us(widths.p50), us(widths.p99), us(widths.most));
}

}  // namespace

void Ring::add(double value) {
  values_[next_] = value;
  next_ = (next_ + 1) % kSize;
  size_ = std::min(size_ + 1, kSize);
}

double Ring::mean() const {
  double sum = 0;
  for (std::size_t i = 0; i < size_; ++i)
    sum += values_[i];
  return size_ == 0 ? 0 : sum / static_cast<double>(size_);
}

double Ring::deviation() const {
  const double middle = mean();
  double sum = 0;
  for (std::size_t i = 0; i < size_; ++i)
    sum += (values_[i] - middle) * (values_[i] - middle);
  return size_ < 2 ? 0 : std::sqrt(sum / static_cast<double>(size_ - 1));
}

void Fbclock::hear(const PtpSample& sample) {
  if (sample.ingress.ns == 0 || (last_ && last_->ingress == sample.ingress)) return;
  if (last_) frequency_change_.add(std::abs(static_cast<double>(sample.frequency_ppb - last_->frequency_ppb)));
  last_ = sample;
  accuracy_.add(static_cast<double>(sample.accuracy.ns));
  offset_.add(static_cast<double>(sample.offset.ns));
  measure_.add(accuracy_.mean() + std::abs(offset_.mean()) + offset_.deviation());
}

std::optional<time::IntervalOf<bed::VirtualTime>> Fbclock::at(bed::VirtualTime clock) const {
  if (measure_.size() < kNeeded) return std::nullopt;
  const double age_ns = static_cast<double>(std::max<std::int64_t>(0, (clock - last_->ingress).ns));
  const double half = measure_.mean() + 4 * measure_.deviation() + 1.5 * frequency_change_.mean() * kPpb * age_ns;
  return time::IntervalOf<bed::VirtualTime>{clock, clock}.widened(rounded_up(half));
}

void Tally::add(Duration miss) {
  ++judged;
  if (miss > Duration{}) ++missed;
  worst = std::max(worst, miss);
}

double Tally::missed_percent() const {
  return judged == 0 ? 0 : 100 * static_cast<double>(missed) / static_cast<double>(judged);
}

Duration miss_of(const Record& record, const bed::Line& truth) {
  const auto tai = [&](bed::HostTime host) { return time::Tai{truth.at(host).ns} + kTaiMinusUtc; };
  return gap(record.now, tai(record.before), tai(record.after));
}

Verdict judge(std::span<const Record> records, const bed::Line& truth, std::span<const Span> broken) {
  Verdict out;
  out.records = records.size();
  Fbclock fbclock;
  std::vector<Duration> epsilons;
  std::vector<Duration> last;
  std::vector<Duration> of_fbclock;
  std::size_t since = 0;
  std::size_t served = 0;
  for (const Record& record : records) {
    const bool holds = !within(record, broken);
    if (record.served() && !out.first_served) out.first_served = record.after;
    if (out.first_served) fbclock.hear(record.ptp);
    if (const auto interval = fbclock.at(record.client)) {
      const Duration miss = gap(*interval, truth.at(record.before), truth.at(record.after));
      (holds ? out.fbclock_holding : out.fbclock_broken).add(miss);
      if (holds) of_fbclock.push_back(interval->epsilon());
    }
    if (out.first_served) ++since;
    if (!record.served()) continue;
    ++served;
    const Duration miss = miss_of(record, truth);
    (holds ? out.holding : out.broken).add(miss);
    if (!holds) continue;
    if (miss > Duration{} && !out.first_miss) out.first_miss = record;
    epsilons.push_back(record.now.epsilon());
    if (record.after + kLastSecond >= records.back().after) last.push_back(record.now.epsilon());
  }
  out.served_percent = since == 0 ? 0 : 100 * static_cast<double>(served) / static_cast<double>(since);
  out.widths = widths_of(std::move(epsilons));
  out.last_second = widths_of(std::move(last));
  out.fbclock_widths = widths_of(std::move(of_fbclock));
  return out;
}

std::vector<Record> read_recording(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("there is no recording " + file.string());
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::vector<Record> records(bytes.size() / sizeof(Record));
  std::memcpy(static_cast<void*>(records.data()), bytes.data(), records.size() * sizeof(Record));
  return records;
}

std::string text_of(const Verdict& v) {
  std::string text = fmt::format("    {} records, {:.2f} % served since the first\n    gnomon:  {}; epsilon {}\n",
                                 v.records, v.served_percent, text_of(v.holding), text_of(v.widths));
  if (v.broken.judged != 0) text += fmt::format("             while broken: {}\n", text_of(v.broken));
  if (v.fbclock_holding.judged != 0)
    text += fmt::format("    fbclock: {}; {}\n", text_of(v.fbclock_holding), text_of(v.fbclock_widths));
  if (v.fbclock_broken.judged != 0) text += fmt::format("             while broken: {}\n", text_of(v.fbclock_broken));
  return text;
}

std::string text_of(const Record& record, const bed::Line& truth) {
  std::string text = fmt::format("    {}", name_of(record.fault));
  if (record.served())
    text += fmt::format(
        ", missed by {} ns: earliest {:+} ns and latest {:+} ns from the truth, the moment known to "
        "{} ns",
        miss_of(record, truth).ns, (record.now.earliest - kTaiMinusUtc).ns - truth.at(record.before).ns,
        (record.now.latest - kTaiMinusUtc).ns - truth.at(record.before).ns, (record.after - record.before).ns);
  text +=
      fmt::format("\n    client's clock {:+} ns, {} roots{}, {} contradictions; last Sync: offset {} ns, delay {} ns",
                  record.client.ns - truth.at(record.before).ns, record.roots, record.holdover ? ", holdover" : "",
                  record.contradictions, record.ptp.offset.ns, record.ptp.path_delay.ns);
  for (const time::TermInfo& term : time::kTerms)
    text += fmt::format("{}{} {} ns", &term == time::kTerms.data() ? "\n    terms: " : ", ", term.name,
                        (record.terms.*term.term).ns);
  return text + "\n";
}

}  // namespace gnomon::coverage
