// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/truth/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace gnomon::truth {
namespace {

constexpr std::int64_t kStartTai = 1'790'000'037'000'000'000;
constexpr std::int64_t kUtcOffset = 37'000'000'000;
constexpr std::int64_t kDay = 86'400'000'000'000;
constexpr std::int64_t kTurn = 10'000'000;
constexpr std::int64_t kSync = 125'000'000;
constexpr std::int64_t kPoll = 50'000'000;
constexpr std::int64_t kDelayRequest = 1'000'000'000;
constexpr std::size_t kMedianOf = 10;  // measurements of the delay: ptp4l's delay_filter_length
constexpr std::int64_t kBoundPpb = 200'000;
constexpr std::int64_t kMicro = 1'000;
constexpr std::int64_t kMilli = 1'000'000;
constexpr std::uint64_t kFirstCycle = 5'000'000'000;
const time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);

ptp::TrueTimeOptions options() {
  ptp::TrueTimeOptions out;
  out.nominal = kNominal;
  out.drift = {kBoundPpb};
  out.max_epsilon = time::seconds(10);
  return out;
}

time::LeapTable leaps_for(Focus focus) {
  time::LeapTable out(focus == Focus::kLeap ? time::Utc{kStartTai - kUtcOffset - kDay} : time::LeapTable::kLastUtc);
  const time::LeapTable known = time::builtin_leap_table();
  for (const time::LeapEntry& entry : known.entries())
    (void)out.append(entry);
  return out;
}

/// All times are ns of true time since the start of the history.
class World {
 public:
  World(Focus focus, std::uint64_t seed)
      : focus_(focus),
        random_(seed * 1'000'003 + static_cast<std::uint64_t>(focus)),
        leaps_(leaps_for(focus)),
        follower_(policy(), ptp::ClockKind::kSystem),
        estimator_(options(), kSources) {
    draw();
  }

  Verdict run() {
    const std::int64_t length = focus_ == Focus::kPath ? kLongLength : kLength;
    for (now_ = 0; now_ < length; now_ += kTurn)
      turn();
    return verdict_;
  }

 private:
  static constexpr std::size_t kSources = 3;
  static constexpr std::int64_t kLength = 6'000'000'000;
  static constexpr std::int64_t kLongLength = 24'000'000'000;  // sixteen measurements, and what comes before and after

  static ptp::PtpPolicy policy() {
    ptp::PtpPolicy out;
    out.arbitrary_is_utc = true;
    return out;
  }

  [[nodiscard]] std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  [[nodiscard]] bool one_in(std::int64_t n) { return between(1, n) == 1; }
  /// +-size or nearly so.
  [[nodiscard]] std::int64_t edge(std::int64_t size) { return (one_in(2) ? 1 : -1) * between(size - size / 50, size); }

  void draw() {
    const bool drifting = focus_ == Focus::kDrift;
    counter_ppb_ = drifting ? edge(kBoundPpb) : between(-1'000, 1'000);
    clock_ppb_ = between(-25'000, 25'000);
    accuracy_ = focus_ == Focus::kAccuracy ? ptp::ClockAccuracy{0x27} : ptp::ClockAccuracy{0x20};  // 100 us, 25 ns
    const std::int64_t accurate = ptp::bound_of(accuracy_)->ns;
    grandmaster_error_ = focus_ == Focus::kAccuracy ? edge(accurate) : between(-accurate, accurate);
    const std::int64_t round_trip = focus_ == Focus::kAsymmetry ? 400 * kMicro : between(0, 4 * kMicro);
    there_ = one_in(2) ? round_trip : 0;
    if (focus_ != Focus::kAsymmetry) there_ = between(0, round_trip);
    back_ = round_trip - there_;
    clock_error_ = focus_ == Focus::kOffset ? edge(900 * kMicro) : between(-200, 200);
    clock_error_ += grandmaster_error_ + (back_ - there_) / 2;
    half_width_ = focus_ == Focus::kReading ? 400 * kMicro : 100;
    silent_from_ = drifting ? between(2'000, 2'500) * kMilli : kLength;
    silent_until_ = silent_from_ + between(500, 2'800) * kMilli;
    lie_from_ = between(2'000, 3'000) * kMilli;
    lie_until_ = focus_ == Focus::kJump ? lie_from_ + between(3, 7) * kTurn : kLength;
    if (focus_ == Focus::kPath) {
      longer_from_ = between(2'000, 2'500) * kMilli;
      longer_by_ = one_in(3) ? between(1'100, 2'000) * kMicro : between(20, 900) * kMicro;
    }
    if (focus_ == Focus::kSeconds) lie_ = between(1, 40) * (one_in(2) ? 1 : -1) * 1'000'000'000;
  }

  // ---- the host

  [[nodiscard]] time::Cycles counter(std::int64_t t) const {
    return {kFirstCycle + static_cast<std::uint64_t>(t + t / 1'000 * counter_ppb_ / 1'000'000)};
  }
  /// The disciplined clock, as UTC. Between turns it runs at one rate.
  [[nodiscard]] std::int64_t clock_at(std::int64_t t) const {
    return utc(t) + clock_error_ + (t - clock_anchor_) * (clock_ppb_ + servo_ppb_) / 1'000'000'000;
  }
  /// Of the history about leap seconds, one has been inserted that the table lacks.
  [[nodiscard]] std::int64_t utc(std::int64_t t) const {
    return kStartTai + t - kUtcOffset - (focus_ == Focus::kLeap ? 1'000'000'000 : 0);
  }
  void re_anchor(std::int64_t t) {
    clock_error_ = clock_at(t) - utc(t);
    clock_anchor_ = t;
  }

  // ---- the grandmaster and ptp4l

  [[nodiscard]] bool lying(std::int64_t t) const { return t >= lie_from_ && t < lie_until_; }

  void sync(std::int64_t sent) {
    if (sent >= silent_from_ && sent < silent_until_) return;
    if (sent >= longer_from_) {
      (one_in(2) ? there_ : back_) += longer_by_;
      longer_from_ = std::numeric_limits<std::int64_t>::max();
    }
    measure_delay(sent);
    const bool spike = focus_ == Focus::kOffset && one_in(10);
    const std::int64_t received = sent + there_ + (spike ? between(0, 100 * kMicro) : 0);
    re_anchor(received);
    // A lie moves the client's clock along: its servo follows at once.
    const std::int64_t lie = lying(sent) ? lie_ : 0;  // of whole seconds
    clock_error_ += lie - followed_lie_;
    followed_lie_ = lie;
    const std::int64_t offset = clock_at(received) - (utc(sent) + grandmaster_error_ + lie + path_delay_.ns);
    status_.master_offset = {offset};
    status_.ingress = ptp::PtpClockTime{clock_at(received)};
    const std::int64_t most = focus_ == Focus::kPath ? 900'000 : 300'000;
    servo_ppb_ = std::clamp<std::int64_t>(-offset * 2, -most, most) - clock_ppb_;
  }

  // The median of the last measurements; of an even number, between the two in the middle.
  void measure_delay(std::int64_t t) {
    if (t < next_delay_request_) return;
    next_delay_request_ = t + kDelayRequest;
    if (delays_.size() == kMedianOf) delays_.erase(delays_.begin());
    delays_.push_back((there_ + back_) / 2);
    std::vector<std::int64_t> sorted = delays_;
    std::sort(sorted.begin(), sorted.end());
    path_delay_ = {(sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2};
  }

  [[nodiscard]] ptp::PtpRound round() const {
    ptp::PtpRound out;
    out.status = status_;
    out.current = ptp::CurrentDataSet{.steps_removed = 1, .offset_from_master = {}, .mean_path_delay = path_delay_};
    out.parent.gm_quality = {ptp::ClockClass::kPrimaryLocked, accuracy_, 0xffff};
    ptp::PortDataSet port;
    port.state = ptp::PortState::kSlave;
    port.delay_mechanism = ptp::DelayMechanism::kEndToEnd;
    out.ports.push_back(port);
    return out;
  }

  // ---- a turn of the clock thread

  void turn() {
    for (; next_sync_ + there_ < now_; next_sync_ += kSync)
      sync(next_sync_);
    read_clock();
    std::array<ptp::News, kSources> news;
    if (now_ >= next_poll_) {
      next_poll_ = now_ + kPoll;
      if (status_.ingress) round_ = round();
    }
    if (round_) news[0] = follower_.judge(*round_, kNominal);
    if (news[0] && !*news[0]) round_.reset();
    if (focus_ == Focus::kLie || focus_ == Focus::kLeap || focus_ == Focus::kJump) add_stated(news);
    if (focus_ == Focus::kLeap || focus_ == Focus::kJump) news[0].reset();
    if (focus_ == Focus::kJump) news[2].reset();
    const std::int64_t decided = now_ + 50 * kMicro;
    estimator_.step({.now = counter(decided), .news = news}, leaps_);
    judge(decided + between(0, kTurn));
  }

  // The moment of the reading is anywhere in its bracket, at an edge as a rule.
  void read_clock() {
    const std::int64_t half = one_in(4) ? half_width_ : between(0, half_width_);
    const std::int64_t off = one_in(2) ? half : -half;
    const std::int64_t value = clock_at(now_ + off);
    ptp::ClockReading reading{counter(now_ - half), counter(now_ + half), value};
    if (now_ > half) follower_.read(reading, kNominal);
  }

  // Two clocks with stated bounds. In the history about lies one of three lies, a little beyond where the truth is.
  void add_stated(std::array<ptp::News, kSources>& news) {
    for (std::size_t i = 1; i < kSources; ++i) {
      const std::int64_t bound = 200 * kMicro;
      // When all three are in; or for a few turns.
      const bool lies = i == 1 && lying(now_) && focus_ != Focus::kLeap;
      const std::int64_t error = !lies                    ? between(-bound, bound)
                                 : focus_ == Focus::kJump ? 3 * bound + between(0, 400 * kMicro)
                                                          : bound + between(1, 150 * kMicro);
      ptp::Claim claim;
      claim.at = counter(now_);
      claim.reading_ns = utc(now_) + error;
      claim.terms.source = {bound};
      claim.terms.reading = {2};
      claim.root.reference = 1000 + i;
      claim.root.disciplines = true;
      claim.root.clock = ptp::ClockKind::kPhc;
      news[i] = ptp::ClaimOr(claim);
    }
  }

  void judge(std::int64_t t) {
    ++verdict_.asked;
    const time::Now now = estimator_.view().line.at(counter(t));
    if (!now) return;
    ++verdict_.served;
    verdict_.largest_epsilon_ns = std::max(verdict_.largest_epsilon_ns, now->epsilon().ns);
    const time::Tai truth{kStartTai + t};
    if (now->contains(truth)) return;
    if (verdict_.missed++ != 0) return;
    const std::int64_t by = now->earliest > truth ? (now->earliest - truth).ns : (now->latest - truth).ns;
    verdict_.first_miss =
        fmt::format("at {} ns: the interval is {} ns beside the truth, epsilon {} ns", t, by, now->epsilon().ns);
  }

  Focus focus_;
  std::mt19937_64 random_;
  time::LeapTable leaps_;
  ptp::PtpFollower follower_;
  ptp::TrueTimeEstimator estimator_;
  Verdict verdict_;

  std::int64_t now_ = 0;
  std::int64_t counter_ppb_ = 0;
  std::int64_t clock_ppb_ = 0;
  std::int64_t servo_ppb_ = 0;
  std::int64_t clock_error_ = 0;
  std::int64_t clock_anchor_ = 0;
  ptp::ClockAccuracy accuracy_ = ptp::ClockAccuracy::kUnknown;
  std::int64_t grandmaster_error_ = 0;
  std::int64_t there_ = 0;
  std::int64_t back_ = 0;
  std::int64_t longer_from_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t longer_by_ = 0;
  std::int64_t half_width_ = 0;
  std::int64_t silent_from_ = 0;
  std::int64_t silent_until_ = 0;
  std::int64_t lie_ = 0;
  std::int64_t lie_from_ = 0;
  std::int64_t lie_until_ = 0;
  std::int64_t followed_lie_ = 0;
  std::int64_t next_sync_ = 0;
  std::int64_t next_poll_ = 0;
  std::int64_t next_delay_request_ = 0;
  std::vector<std::int64_t> delays_;
  time::Duration path_delay_;
  ptp::TimeStatus status_;
  std::optional<ptp::PtpRound> round_;
};

}  // namespace

Verdict run_history(Focus focus, std::uint64_t seed) { return World(focus, seed).run(); }

}  // namespace gnomon::truth
