// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_hold.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>

#include "cmd/gnomon/lease.hpp"
#include "cmd/gnomon/lease_view.hpp"
#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

// What the session must not be interrupted by. SIGPIPE: what is written to somebody who has gone is an error there.
constexpr std::array kBlocked{SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGTTOU};
constexpr std::array kRead{SIGINT, SIGTERM, SIGHUP, SIGCHLD};

sigset_t set_of(const auto& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals)
    sigaddset(&set, signal);
  return set;
}

void ring(int bell) {
  const std::uint64_t one = 1;
  if (::write(bell, &one, sizeof one) < 0) return;  // it is full of rings already
}

HoldFailure failure_of(const client::LeaseError& error) { return {exit_code_of(error.kind), error.text, 0}; }

/// Opens and acquires on a thread of its own, so that the main thread can hear signals meanwhile.
class Acquisition {
 public:
  Acquisition(const LeasePlace& place, const CheckedWish& wish, std::string label, int done)
      : place_(place), wish_(wish), label_(std::move(label)), done_(done) {}

  tl::expected<HeldLease, HoldFailure> run(const HeldSignals& signals) {
    held_.lost.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!held_.lost.valid())
      return tl::make_unexpected(
          HoldFailure{ExitCode::kRefused, platform::system_error("make a descriptor for news").text, 0});
    std::thread worker([this] {
      work();
      ring(done_);
    });
    const std::optional<int> signal = wait(signals);
    if (signal) give_up();
    worker.join();
    if (signal) return tl::make_unexpected(HoldFailure{ExitCode::kRefused, {}, *signal});
    if (failure_) return tl::make_unexpected(std::move(*failure_));
    return std::move(held_);
  }

 private:
  /// The signal that came before it was done, if one did.
  std::optional<int> wait(const HeldSignals& signals) const {
    while (true) {
      std::array<pollfd, 2> entries{pollfd{signals.descriptor(), POLLIN, 0}, pollfd{done_, POLLIN, 0}};
      (void)::poll(entries.data(), entries.size(), -1);
      if (const auto signal = signals.next()) return signal;
      std::uint64_t rings = 0;
      if (::read(done_, &rings, sizeof rings) > 0) return std::nullopt;
    }
  }

  /// A session that is closed acquires nothing any more.
  void give_up() {
    const std::lock_guard lock(mutex_);
    given_up_ = true;
    if (held_.session) (void)held_.session->close();
  }

  void work() {
    auto client = connect_to(place_);
    if (!client) {
      failure_ = failure_of(client.error());
      return;
    }
    held_.client = std::move(*client);
    client::SessionOptions options;
    options.ttl = wish_.ttl;
    options.label = label_;
    options.on_lost = [bell = held_.lost.get()](const std::string&) { ring(bell); };
    auto session = held_.client->open_session(std::move(options));
    if (!session) {
      failure_ = failure_of(session.error());
      return;
    }
    client::Session* open = nullptr;
    {
      const std::lock_guard lock(mutex_);
      held_.session = std::move(*session);
      if (given_up_) return;
      open = held_.session.get();
    }
    client::AcquireOptions asked;
    asked.wait_for = wish_.wait_for;
    asked.lock_delay = wish_.lock_delay;
    asked.metadata = wish_.metadata;
    auto lease = open->acquire(wish_.name, asked);
    if (lease)
      held_.lease = std::make_unique<client::Lease>(std::move(*lease));
    else
      failure_ = failure_of(lease.error());
  }

  const LeasePlace& place_;
  const CheckedWish& wish_;
  std::string label_;
  int done_;
  std::mutex mutex_;  // of given_up_, and of held_.session until it is there
  bool given_up_ = false;
  HeldLease held_;
  std::optional<HoldFailure> failure_;
};

}  // namespace

tl::expected<HeldSignals, std::string> HeldSignals::take() {
  HeldSignals out;
  const sigset_t blocked = set_of(kBlocked);
  if (const int code = pthread_sigmask(SIG_BLOCK, &blocked, &out.before_); code != 0)
    return tl::make_unexpected(platform::system_error("block signals", code).text);
  const sigset_t read = set_of(kRead);
  out.descriptor_.reset(::signalfd(-1, &read, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!out.descriptor_.valid())
    return tl::make_unexpected(platform::system_error("make a descriptor for signals").text);
  return out;
}

HeldSignals::~HeldSignals() {
  if (descriptor_.valid()) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<int> HeldSignals::next() const {
  signalfd_siginfo info{};
  while (::read(descriptor_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    if (info.ssi_signo != SIGCHLD) return static_cast<int>(info.ssi_signo);
  return std::nullopt;
}

tl::expected<HeldLease, HoldFailure> take_lease(const LeasePlace& place, const CheckedWish& wish,
                                                const std::string& label, const HeldSignals& signals) {
  const platform::UniqueFd done(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!done.valid())
    return tl::make_unexpected(
        HoldFailure{ExitCode::kRefused, platform::system_error("make a descriptor for news").text, 0});
  return Acquisition(place, wish, label, done.get()).run(signals);
}

ExitCode hold_lease(const LeaseAcquireOptions& options, const Output& output) {
  constexpr int kSignalBase = 128;
  const auto wish = check_wish(options.wish);
  if (!wish) return output.fail(ExitCode::kUsage, wish.error());
  const auto place = lease_place(options.where);
  if (!place) return output.fail(ExitCode::kUsage, place.error());
  const auto signals = HeldSignals::take();
  if (!signals) return output.fail(ExitCode::kRefused, signals.error());
  auto held = take_lease(*place, *wish, lease_label(options.wish.label), *signals);
  if (!held && held.error().signal != 0) return static_cast<ExitCode>(kSignalBase + held.error().signal);
  if (!held) return output.fail(held.error().code, held.error().text);
  const GrantView grant{.name = wish->name,
                        .token = held->lease->token(),
                        .session = held->session->id(),
                        .ttl = wish->ttl,
                        .anew = true,
                        .taken_over = false,
                        .queued = false,
                        .kept = true};
  output.out << (output.json ? grant_json(grant) : grant_text(grant));
  output.out.flush();
  while (true) {
    std::array<pollfd, 2> entries{pollfd{signals->descriptor(), POLLIN, 0}, pollfd{held->lost.get(), POLLIN, 0}};
    (void)::poll(entries.data(), entries.size(), -1);
    if (!held->lease->holds())
      return output.fail(ExitCode::kRefused, fmt::format("the lease of {} is lost", wish->name));
    if (!signals->next()) continue;
    if (const auto released = held->lease->release(); !released)
      return output.fail(exit_code_of(released.error().kind), released.error().text);
    return ExitCode::kOk;
  }
}

}  // namespace gnomon::cmd
