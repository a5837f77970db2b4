// SPDX-License-Identifier: Apache-2.0
#include "ptp/ptp4l_source.hpp"

#include <fmt/format.h>

#include <utility>

#include "platform/random.hpp"

namespace gnomon::ptp {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kAskEvery = 50 * kMillisecond;
constexpr std::uint16_t kRoundsBack = 32;  // an answer to one of so many is late, and no event
constexpr std::int64_t kSilentAfter = 1'000 * kMillisecond;
constexpr std::uint16_t kSubscriptionSeconds = 60;
constexpr std::int64_t kSubscribeEvery = 30'000 * kMillisecond;
constexpr int kMaxRepliesPerTurn = 64;
constexpr ManagementId kQuestions[] = {ManagementId::kTimeStatusNp,  ManagementId::kCurrentDataSet,
                                       ManagementId::kParentDataSet, ManagementId::kTimePropertiesDataSet,
                                       ManagementId::kPortDataSet,   ManagementId::kPortPropertiesNp};

}  // namespace

Ptp4lSource::Ptp4lSource(Ptp4lOptions options, std::unique_ptr<ReferenceClock> clock)
    : options_(std::move(options)), clock_(std::move(clock)), follower_(options_.policy, clock_->kind()) {
  const std::uint64_t drawn = platform::random_u64();
  request_.domain = options_.domain;
  request_.sequence = static_cast<std::uint16_t>(drawn);
  request_.source.port = static_cast<std::uint16_t>(drawn >> 16 | 1);
}

std::string Ptp4lSource::describe() const {
  return fmt::format("ptp4l at {}, domain {}, {}", options_.socket, options_.domain, clock_->describe());
}

News Ptp4lSource::poll(time::CycleRate nominal) {
  const auto reading = clock_->read(nominal);
  if (!reading) return tl::make_unexpected(reading.error());
  follower_.read(*reading, nominal);
  const std::int64_t now = monotonic_ns();
  if (!socket_.valid()) {
    if (asked_ns_ != 0 && now - asked_ns_ < kAskEvery) return std::nullopt;
    if (auto failed = socket_.open(options_.own_socket, options_.socket, "ptp4l")) {
      asked_ns_ = now;
      return tl::make_unexpected(std::move(*failed));
    }
    answered_ns_ = now;
  }
  take_replies();
  // A turn after the question every port has answered: ptp4l answers at once, one after another.
  News news;
  if (const auto round = answers_.whole()) {
    answered_ns_ = now;
    news = judge(*round, nominal);
    if (news) answers_ = {};  // once is enough; a sample that was too new for the last reading comes up again
  }
  std::optional<SourceError> silent;
  if (!news && now - answered_ns_ >= kSilentAfter) {
    answered_ns_ = now;  // once a second is often enough to say so
    silent = silence();
  }
  if (now - asked_ns_ >= kAskEvery || (pushed_ && now - asked_ns_ >= kMillisecond)) {
    if (auto failed = ask_round()) return tl::make_unexpected(std::move(*failed));
    asked_ns_ = now;
  }
  if (silent) return tl::make_unexpected(std::move(*silent));
  return news;
}

SourceError Ptp4lSource::silence() const {
  if (answers_.status && !answers_.stamps)
    return {SourceFault::kUnsupported,
            fmt::format("ptp4l at {} does not say which time stamps it uses (PORT_PROPERTIES_NP): its read-only socket "
                        "withholds that, use the one of uds_address; linuxptp before 3.0 does not know it",
                        options_.socket)};
  return {SourceFault::kUnreadable,
          fmt::format("ptp4l at {} does not answer in domain {}: does it run, with that domainNumber?", options_.socket,
                      options_.domain)};
}

News Ptp4lSource::judge(const PtpRound& round, time::CycleRate nominal) {
  if (auto wrong = wrong_stamps()) return tl::make_unexpected(std::move(*wrong));
  return follower_.judge(round, nominal);
}

// The clock that is read here must be the one that ptp4l disciplines, or all of this is about another clock.
std::optional<SourceError> Ptp4lSource::wrong_stamps() const {
  const Timestamping stamps = answers_.stamps.value_or(Timestamping::kSoftware);
  const bool software = stamps == Timestamping::kSoftware;
  if (software == (clock_->kind() == ClockKind::kSystem)) return std::nullopt;
  return SourceError{SourceFault::kPolicy,
                     fmt::format("ptp4l uses {} time stamps, and the clock that is read is the {}: {}", text_of(stamps),
                                 clock_->describe(),
                                 software ? "leave out clock=" : "say clock=/dev/ptpN, the clock of its interface")};
}

std::optional<SourceError> Ptp4lSource::ask_round() {
  ++request_.sequence;
  answers_ = {};
  pushed_ = false;
  const std::int64_t now = monotonic_ns();
  if (subscribed_ns_ == 0 || now - subscribed_ns_ >= kSubscribeEvery) {
    subscribed_ns_ = now;
    Subscription subscription{kSubscriptionSeconds, {}};
    subscription.events.set(ManagementEvent::kPortState).set(ManagementEvent::kTimeSync);
    if (auto failed = socket_.send(encode_subscribe(request_, subscription))) return failed;
  }
  for (const ManagementId id : kQuestions)
    if (auto failed = socket_.send(encode_get(request_, id))) return failed;
  return std::nullopt;
}

void Ptp4lSource::take_replies() {
  std::array<std::byte, 2048> buffer;
  for (int i = 0; i < kMaxRepliesPerTurn; ++i) {
    const auto datagram = socket_.receive(buffer);
    if (datagram.empty()) return;
    const auto reply = decode_management(datagram);
    if (reply) take(*reply);  // what is malformed or in another domain is no answer, and its absence is noticed
  }
}

void Ptp4lSource::take(const ManagementReply& reply) {
  if (reply.domain != options_.domain) return;
  if (!answers(reply, request_, reply.id)) {
    // An event that was subscribed to, or an answer to a round that is over: to ask again for that one would make the
    // next answers late, too.
    const auto behind = static_cast<std::uint16_t>(request_.sequence - reply.sequence);
    const bool late = behind != 0 && behind <= kRoundsBack;
    pushed_ = pushed_ || (!late && std::holds_alternative<TimeStatus>(reply.data));
    return;
  }
  if (const auto* status = std::get_if<TimeStatus>(&reply.data)) answers_.status = *status;
  if (const auto* current = std::get_if<CurrentDataSet>(&reply.data)) answers_.current = *current;
  if (const auto* parent = std::get_if<ParentDataSet>(&reply.data)) answers_.parent = *parent;
  if (const auto* properties = std::get_if<TimeProperties>(&reply.data)) answers_.properties = *properties;
  if (const auto* data = std::get_if<PortDataSet>(&reply.data)) answers_.ports.push_back(*data);
  const auto* port = std::get_if<PortProperties>(&reply.data);
  if (port != nullptr && port->port.port != 0) answers_.stamps = port->timestamping;  // port 0 is the Unix socket
}

}  // namespace gnomon::ptp
