// SPDX-License-Identifier: Apache-2.0
#include "client/io_thread.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <system_error>
#include <utility>

#include "platform/random.hpp"
#include "platform/system_error.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kMaxSleep = time::seconds(60);
constexpr int kMaxReceivesPerLink = 8;  // per turn, so that a flooded link can't keep the others waiting

EngineOptions with_new_secret(EngineOptions options) {
  options.secret = platform::random_value<Secret>();
  return options;
}

}  // namespace

IoThread::IoThread(const IoSettings& settings, std::vector<UdpLink> links, platform::UniqueFd wake)
    : settings_(settings),
      links_(std::move(links)),
      wake_(std::move(wake)),
      engine_(with_new_secret(settings.engine), read_uptime()) {
  for (const UdpLink& link : links_)
    polled_.push_back({.fd = link.fd(), .events = POLLIN, .revents = 0});
  polled_.push_back({.fd = wake_.get(), .events = POLLIN, .revents = 0});
  published_.write({});
}

Result<std::unique_ptr<IoThread>> IoThread::start(const IoSettings& settings) {
  std::vector<UdpLink> links;
  for (std::size_t server = 0; server < settings.engine.servers.size(); ++server) {
    for (std::size_t socket = 0; socket < settings.engine.sockets_per_server; ++socket) {
      const LinkId id{static_cast<std::uint8_t>(server), static_cast<std::uint8_t>(socket)};
      auto link = UdpLink::open(id, settings.engine.servers[server]);
      if (!link) return tl::make_unexpected(std::move(link.error()));
      links.push_back(std::move(*link));
    }
  }
  platform::UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.valid())
    return tl::make_unexpected(Error{ErrorKind::kSystem, platform::system_error("open an eventfd").text, {}, {}});
  std::unique_ptr<IoThread> io(new IoThread(settings, std::move(links), std::move(wake)));

  // The program's signals are for the program's threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = 0;
  try {
    io->thread_ = std::thread([raw = io.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    code = error.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (code != 0)
    return tl::make_unexpected(
        Error{ErrorKind::kSystem,
              platform::system_error("start the client's thread", code).text + "; check the limit of threads",
              {},
              {}});
  return io;
}

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_seq_cst);
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));  // fails only if a wake-up is waiting there already
  thread_.join();
}

void IoThread::abandon() {
  for (UdpLink& link : links_)
    link.close_inherited();
}

Result<void> IoThread::submit(PendingCall& call) {
  if (stopping_.load(std::memory_order_relaxed))
    return tl::make_unexpected(Error{ErrorKind::kClosed, "the client is being closed", {}, {}});
  if (pending_.fetch_add(1, std::memory_order_relaxed) >= settings_.max_pending) {
    pending_.fetch_sub(1, std::memory_order_relaxed);
    overloaded_.fetch_add(1, std::memory_order_relaxed);
    return tl::make_unexpected(Error{ErrorKind::kOverloaded,
                                     std::to_string(settings_.max_pending) +
                                         " calls are pending in this client already; wait for some to end, or raise "
                                         "max_pending",
                                     {},
                                     {}});
  }
  PendingCall* head = submitted_.load(std::memory_order_relaxed);
  do {
    call.next_ = head;
  } while (!submitted_.compare_exchange_weak(head, &call, std::memory_order_seq_cst, std::memory_order_relaxed));
  // Sequentially consistent, like the pair in `sleep`: either we see that the thread sleeps, or it sees the call.
  if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false, std::memory_order_seq_cst)) {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  }
  return {};
}

Stats IoThread::stats() const {
  Stats stats;
  std::uint64_t version = 0;
  while (!published_.try_read(stats, version)) {  // the writer publishes at its start and never stops half-way
  }
  stats.overloaded = overloaded_.load(std::memory_order_relaxed);
  return stats;
}

void IoThread::run() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    const time::Uptime now = read_uptime();
    take_calls(now);
    step(now);
    sleep();
    receive(read_uptime());
  }
  wind_up();
}

// Whatever is due: timers, then what may be sent, then what is finished. A link that proves broken while it is sent on
// hands its calls to other links; each call goes to each server once per round, so that comes to an end.
void IoThread::step(time::Uptime now) {
  if (engine_.next_wake() <= now) engine_.tick(now, effects_);
  engine_.transmit(now, effects_);
  while (!effects_.bursts.empty()) {
    send_bursts(now);
    engine_.transmit(now, effects_);
  }
  Stats stats = engine_.stats();
  stats.send_failures = send_failures_;
  published_.write(stats);  // before the callers go on, so that they find their own calls counted
  deliver();
}

void IoThread::take_calls(time::Uptime now) {
  // Acquire: pairs with the push in `submit`.
  PendingCall* call = submitted_.exchange(nullptr, std::memory_order_acquire);
  PendingCall* in_order = nullptr;
  while (call != nullptr)
    in_order = std::exchange(call, std::exchange(call->next_, in_order));
  while (in_order != nullptr) {
    PendingCall* next = in_order->next_;
    in_order->call.token = std::bit_cast<std::uint64_t>(in_order);
    in_order->call.deadline = now + settings_.deadline + in_order->call.patience;
    engine_.submit(now, in_order->call, effects_);
    in_order = next;
  }
}

void IoThread::send_bursts(time::Uptime now) {
  bursts_.clear();
  bursts_.swap(effects_.bursts);
  for (const Burst& burst : bursts_) {
    UdpLink& link = links_[burst.link.server * settings_.engine.sockets_per_server + burst.link.socket];
    const auto sent = link.send({effects_.bytes.data() + burst.offset, burst.length});
    send_failures_ += sent.dropped;
    if (sent.fault) engine_.link_failed(now, burst.link, *sent.fault, effects_);
  }
  effects_.bytes.clear();
}

void IoThread::deliver() {
  outcomes_.swap(effects_.outcomes);
  for (Outcome& outcome : outcomes_) {
    // The token is the node that take_calls got; the engine hands it back untouched.
    auto* call = std::bit_cast<PendingCall*>(outcome.token);
    if (outcome.last) pending_.fetch_sub(1, std::memory_order_relaxed);
    call->take(std::move(outcome));
    // The callback forked and this is the child: it stands in a loop that is the parent's, with nowhere to return to.
    if (!guard_.is_ours()) _exit(0);
  }
  outcomes_.clear();
}

void IoThread::sleep() {
  const time::Uptime now = read_uptime();
  const time::Duration wait = std::clamp(time::saturating_sub(engine_.next_wake(), now), time::Duration{0}, kMaxSleep);
  timespec timeout{wait.ns / 1'000'000'000, wait.ns % 1'000'000'000};
  asleep_.store(true, std::memory_order_seq_cst);  // pairs with submit: see there
  if (submitted_.load(std::memory_order_seq_cst) != nullptr || stopping_.load(std::memory_order_seq_cst)) {
    timeout = {0, 0};
    asleep_.store(false, std::memory_order_relaxed);
  }
  const int ready = ::ppoll(polled_.data(), polled_.size(), &timeout, nullptr);
  asleep_.store(false, std::memory_order_relaxed);
  if (ready < 0)
    for (pollfd& polled : polled_)
      polled.revents = 0;
  if ((polled_.back().revents & POLLIN) != 0) {
    std::uint64_t wakes = 0;
    static_cast<void>(!::read(wake_.get(), &wakes, sizeof wakes));
  }
}

void IoThread::receive(time::Uptime now) {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (polled_[i].revents == 0) continue;
    for (int turn = 0; turn < kMaxReceivesPerLink; ++turn) {
      datagrams_.clear();
      const auto received = links_[i].receive(buffers_, datagrams_);
      for (const auto& datagram : datagrams_)
        engine_.receive(now, links_[i].id(), datagram, effects_);
      if (received.fault) engine_.link_failed(now, links_[i].id(), *received.fault, effects_);
      if (!received.more) break;
    }
  }
}

// Nothing is taken on any more; what is there ends.
void IoThread::wind_up() {
  take_calls(read_uptime());
  engine_.close(effects_);
  deliver();
}

}  // namespace gnomon::client
