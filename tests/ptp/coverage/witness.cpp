// SPDX-License-Identifier: Apache-2.0
//
// witness RECORDING LIMIT_S SOURCE...: a process of a virtual host that asks now() every 5 ms and writes down the
// answer.
//
// It runs what gnomond runs (clock thread, sources, page, reader), under the virtual clock that ptp4l disciplines, and
// does not know the truth. A source is one of the configuration's words (ptp/sources.hpp), or, for a second opinion,
//
//   file:/path?bound_us=N   another virtual clock, right within N us by somebody's word
//
// Each file is a root of its own. On standard output appears "synchronised" once there was a first interval. It ends
// after LIMIT_S seconds, or when it is killed: records are written one by one.
//
// Three things differ from the daemon, because this is a test bed on a machine that others use: the counter is believed
// though the kernel of a virtual machine may use another clock source; the cores' counters are compared again if a core
// was too busy for it; and the leap table is valid until 2100.
//
// Exit status: 0 done, 1 it could not do that, 2 usage.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oracle/page/clock_reader.hpp"
#include "oracle/time/leap_table.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/unique_fd.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/core_skew.hpp"
#include "ptp/cycle_calibration.hpp"
#include "ptp/datagram_socket.hpp"
#include "ptp/management.hpp"
#include "ptp/sources.hpp"
#include "tests/ptp/bed/virtual_clock_page.hpp"
#include "tests/ptp/coverage/recording.hpp"

namespace gnomon::coverage {
namespace {

constexpr std::int64_t kEveryNs = 5'000'000;
constexpr std::int64_t kAskEveryNs = 40'000'000;
constexpr int kAttempts = 3;
constexpr int kCoreAttempts = 20;
constexpr time::Duration kCalibrate = time::milliseconds(200);
constexpr time::Utc kTableExpires{4'102'444'800'000'000'000};  // 2100-01-01
constexpr std::int64_t kPpbPerTick = 100'000;                  // 1 us of 10 ms

std::int64_t number(std::string_view text, std::int64_t most, std::string_view what) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most)
    throw std::invalid_argument(fmt::format("'{}' is no {}: 0 to {}", text, what, most));
  return value;
}

/// Another virtual clock, which is right within a stated bound.
class FileSource final : public ptp::TimeSource {
 public:
  FileSource(std::string path, time::Duration bound, std::size_t index)
      : path_(std::move(path)), bound_(bound), reference_(index + 1) {
    const platform::UniqueFd fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat about{};
    if (!fd.valid() || fstat(fd.get(), &about) != 0 || about.st_size < static_cast<off_t>(sizeof(bed::Page)))
      throw std::runtime_error(path_ + " is not the file of a virtual clock");
    void* address = mmap(nullptr, sizeof(bed::Page), PROT_READ, MAP_SHARED, fd.get(), 0);
    if (address == MAP_FAILED) throw std::runtime_error(path_ + " can't be mapped");
    page_ = static_cast<const bed::Page*>(address);  // until the process ends
    if (!page_->usable()) throw std::runtime_error(path_ + " is of another version");
  }

  ptp::News poll(time::CycleRate nominal) override {
    const auto state = page_->read();
    if (!state)
      return tl::make_unexpected(ptp::SourceError{ptp::SourceFault::kUnreadable, path_ + " changes too fast"});
    const auto reading = ptp::narrowest_of(ptp::kReadingsPerSample, platform::read_cycles, bed::host_now);
    ptp::Claim claim;
    claim.at = reading.middle();
    claim.reading_ns = state->line.at(reading.value).ns;
    claim.terms.source = bound_;
    claim.terms.reading = reading.half_width(nominal);
    claim.root.reference = reference_;
    claim.root.clock = ptp::ClockKind::kPort;
    return ptp::ClaimOr(claim);
  }
  std::string describe() const override { return "virtual clock " + path_; }

 private:
  std::string path_;
  time::Duration bound_;
  std::uint64_t reference_;
  const bed::Page* page_ = nullptr;
};

/// Asks ptp4l for what fbclock would build on, beside the source that does the same for gnomon.
class PtpProbe {
 public:
  PtpProbe(std::string own, std::string peer, std::uint8_t domain) : own_(std::move(own)), peer_(std::move(peer)) {
    request_.domain = domain;
    request_.source.port = static_cast<std::uint16_t>(getpid() | 1);
  }

  const PtpSample& poll() {
    if (!socket_.valid() && socket_.open(own_, peer_, "ptp4l")) return sample_;
    take_replies();
    const std::int64_t now = ptp::monotonic_ns();
    if (now - asked_ns_ < kAskEveryNs) return sample_;
    asked_ns_ = now;
    ++request_.sequence;
    for (const auto id :
         {ptp::ManagementId::kParentDataSet, ptp::ManagementId::kCurrentDataSet, ptp::ManagementId::kTimeStatusNp})
      if (socket_.send(ptp::encode_get(request_, id))) break;  // not there (yet)
    return sample_;
  }

 private:
  void take_replies() {
    std::array<std::byte, 2048> buffer;
    while (true) {
      const auto datagram = socket_.receive(buffer);
      if (datagram.empty()) return;
      const auto reply = ptp::decode_management(datagram);
      if (reply && ptp::answers(*reply, request_, reply->id)) take(*reply);
    }
  }
  void take(const ptp::ManagementReply& reply) {
    if (const auto* parent = std::get_if<ptp::ParentDataSet>(&reply.data))
      sample_.accuracy = ptp::bound_of(parent->gm_quality.accuracy).value_or(time::Duration{});
    if (const auto* current = std::get_if<ptp::CurrentDataSet>(&reply.data))
      sample_.path_delay = current->mean_path_delay;
    const auto* status = std::get_if<ptp::TimeStatus>(&reply.data);
    if (status == nullptr || !status->ingress) return;
    sample_.ingress = {status->ingress->ns};
    sample_.offset = status->master_offset;
    timex clock{};
    adjtimex(&clock);
    sample_.frequency_ppb = (clock.tick - bed::kNominalTickUs) * kPpbPerTick + clock.freq * 1000 / 65'536;
  }

  std::string own_;
  std::string peer_;
  ptp::DatagramSocket socket_;
  ptp::ManagementRequest request_;
  std::int64_t asked_ns_ = 0;
  PtpSample sample_;
};

time::LeapTable leap_table() {
  time::LeapTable table(kTableExpires);
  const time::LeapTable known = time::builtin_leap_table();
  for (const time::LeapEntry& entry : known.entries())
    if (!table.append(entry)) throw std::logic_error("the built-in leap table is not in order");
  return table;
}

// Each measurement is a bound; one that found a core busy is 200 us, and what was meant is some tens of nanoseconds.
time::Duration core_skew(time::CycleRate rate) {
  time::Duration least = ptp::measure_core_skew(rate);
  for (int i = 1; i < kCoreAttempts && least >= ptp::kUnmeasuredSkew; ++i)
    least = std::min(least, ptp::measure_core_skew(rate));
  return least;
}

class Witness {
 public:
  Witness(const std::filesystem::path& recording, const std::vector<std::string_view>& sources)
      : folder_(recording.parent_path().string()),
        file_(open(recording.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)),
        reader_(*page_) {
    if (!file_.valid()) throw std::runtime_error("can't write " + recording.string());
    ptp::ClockThreadOptions options;
    options.leaps = leap_table();
    const auto calibration = ptp::calibrate_cycles(kCalibrate);
    if (!calibration) throw std::runtime_error(calibration.error().text);
    options.estimator.ordering.nominal = calibration->rate;
    options.estimator.truth.cores = core_skew(calibration->rate);
    options.measure_cores = false;
    options.estimator.truth.drift.ppb += calibration->error_ppb;
    ptp::ClockSources clocks{ptp::system_source(time::milliseconds(10)), false, {}};
    for (const std::string_view source : sources)
      clocks.others.push_back(make(source, clocks.others.size(), options.estimator.truth.drift));
    page::stamp(*page_, 1, static_cast<std::uint64_t>(getpid()), 0);
    clock_ = std::make_unique<ptp::ClockThread>(options, std::move(clocks), *page_);
    if (const auto started = clock_->start(); !started) throw std::runtime_error(started.error().text);
  }

  void run(std::int64_t limit_s) {
    const std::int64_t end = ptp::monotonic_ns() + limit_s * bed::kBillion;
    bool told = false;
    for (std::int64_t due = ptp::monotonic_ns(); due < end; due = std::max(due + kEveryNs, ptp::monotonic_ns())) {
      const timespec until{due / bed::kBillion, due % bed::kBillion};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
      Record record = look();
      describe(record);
      if (write(file_.get(), &record, sizeof(record)) != static_cast<ssize_t>(sizeof(record)))
        throw std::runtime_error("the recording can't be written");
      if (record.served() && !told) std::puts("synchronised");
      told = told || record.served();
    }
  }

 private:
  std::unique_ptr<ptp::TimeSource> make(std::string_view text, std::size_t index, time::Drift drift) {
    constexpr std::string_view kFile = "file:";
    constexpr std::string_view kBound = "?bound_us=";
    if (text.starts_with(kFile)) {
      const std::size_t query = text.find(kBound);
      if (query == std::string_view::npos) throw std::invalid_argument("file:/path?bound_us=N");
      const std::int64_t bound_us = number(text.substr(query + kBound.size()), 1'000'000, "bound in us");
      return std::make_unique<FileSource>(std::string(text.substr(kFile.size(), query - kFile.size())),
                                          time::microseconds(bound_us), index);
    }
    const auto spec = ptp::parse_source(text, time::milliseconds(10));
    if (!spec) throw std::invalid_argument(spec.error());
    if (spec->kind == ptp::SourceKind::kPtp4l && !probe_)
      probe_ = std::make_unique<PtpProbe>(folder_ + "/probe.sock", spec->path, spec->domain);
    auto source = ptp::make_source(*spec, {folder_, "witness", drift}, index);
    if (!source) throw std::runtime_error(source.error().text);
    return std::move(*source);
  }

  // The narrowest of a few, so that a witness who was held up doesn't excuse much.
  Record look() {
    Record best;
    for (int i = 0; i < kAttempts; ++i) {
      Record record;
      record.before = bed::host_now();
      const time::Cycles at = platform::read_cycles();
      timespec client{};
      clock_gettime(CLOCK_REALTIME, &client);
      record.after = bed::host_now();
      const time::Now now = reader_.at(at);
      record.client = {client.tv_sec * bed::kBillion + client.tv_nsec};
      record.fault = now ? time::ClockFault::kNone : now.error();
      if (now) record.now = *now;
      if (i == 0 || record.after - record.before < best.after - best.before) best = record;
    }
    return best;
  }

  void describe(Record& record) {
    const ptp::ClockStatus status = clock_->status();
    record.holdover = status.truth.holdover;
    record.roots = status.truth.roots;
    record.contradictions = status.truth.contradictions;
    record.disagreements = status.truth.disagreements;
    record.terms = status.truth.terms;
    record.sources = static_cast<std::uint32_t>(std::min(status.sources.size(), kMaxSources));
    for (std::size_t i = 0; i < record.sources; ++i) {
      const ptp::SourceView& view = status.sources[i].view;
      record.each[i] = {view.state, view.error.has_value(),
                        view.error ? view.error->fault : ptp::SourceFault::kUnreadable,
                        static_cast<std::uint32_t>(view.evictions), view.claims};
      say_if_new(i, view);
    }
    if (probe_) record.ptp = probe_->poll();
  }

  // For whoever reads the log of a scenario that failed.
  void say_if_new(std::size_t source, const ptp::SourceView& view) {
    said_.resize(std::max(said_.size(), source + 1));
    const std::string text =
        fmt::format("source {}: {}{}", source, name_of(view.state), view.error ? ", " + view.error->text : "");
    const std::string key = fmt::format("{}{}", name_of(view.state), view.error ? name_of(view.error->fault) : "");
    if (said_[source] == key) return;
    said_[source] = key;
    std::puts(text.c_str());
  }

  std::string folder_;
  platform::UniqueFd file_;
  std::unique_ptr<page::ClockPage> page_ = std::make_unique<page::ClockPage>();
  page::ClockReader reader_;
  std::unique_ptr<PtpProbe> probe_;
  std::unique_ptr<ptp::ClockThread> clock_;  // after the page that it writes
  std::vector<std::string> said_;
};

}  // namespace
}  // namespace gnomon::coverage

int main(int argc, char** argv) {
  using namespace gnomon::coverage;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 4) {
    std::fputs("usage: witness RECORDING LIMIT_S SOURCE...\n", stderr);
    return 2;
  }
  try {
    const std::vector<std::string_view> sources(argv + 3, argv + argc);
    if (sources.size() > kMaxSources) throw std::invalid_argument(fmt::format("at most {} sources", kMaxSources));
    Witness witness(argv[1], sources);
    witness.run(number(argv[2], 86'400, "limit in seconds"));
  } catch (const std::invalid_argument& wrong) {
    std::fputs(fmt::format("witness: {}\n", wrong.what()).c_str(), stderr);
    return 2;
  } catch (const std::exception& error) {
    std::fputs(fmt::format("witness: {}\n", error.what()).c_str(), stderr);
    return 1;
  }
  return 0;
}
