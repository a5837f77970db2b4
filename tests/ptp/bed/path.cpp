// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/bed/path.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/ptp/bed/virtual_clock_page.hpp"
#include "tests/support/packet_socket.hpp"

namespace gnomon::bed {
namespace {

constexpr std::size_t kMaxInFlight = 4096;
constexpr std::size_t kMaxFrameBytes = 9216;
constexpr int kMaxFramesPerTurn = 64;  // of one port, before the others have theirs
constexpr int kBufferBytes = 4 << 20;
constexpr int kIdleMs = 100;
constexpr time::Duration kSpin = time::microseconds(100);  // what a wake-up takes, or a little more
constexpr std::uint32_t kMillion = 1'000'000;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

void check(const Passage& passage) {
  constexpr time::Duration kMost = time::seconds(10);
  const auto fits = [&](time::Duration d) { return d >= time::Duration{0} && d <= kMost; };
  if (!fits(passage.delay) || !fits(passage.jitter) || passage.loss_ppm > kMillion)
    throw std::invalid_argument("a passage with a delay or jitter outside 0 to 10 s, or a loss beyond 1'000'000 ppm");
}

HostTime arrival_time(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    return {stamp.tv_sec * kBillion + stamp.tv_nsec};
  }
  return host_now();
}

}  // namespace

Path::Path(const std::vector<Host>& hosts, std::uint64_t seed)
    : timer_(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)),
      end_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(kMaxFrameBytes),
      random_(seed) {
  if (!timer_.valid() || !end_.valid()) fail("a timer and an event");
  for (const Host& host : hosts) {
    const std::string port = "p" + std::to_string(ports_.size());
    support::connect({.where = host.where, .name = host.interface, .addresses = {host.address}},
                     {.where = middle_, .name = port});
    const support::InNamespace inside(middle_);
    ports_.push_back({support::open_packet_socket(port, kBufferBytes, {SOL_SOCKET, SO_TIMESTAMPNS}), {}, {}});
  }
  thread_ = std::thread([this] { run(); });
}

Path::~Path() {
  const std::uint64_t one = 1;
  // Without it the thread would still see the end: an eventfd takes 2^64 - 2 of these.
  if (write(end_.get(), &one, sizeof one) != sizeof one) std::terminate();
  thread_.join();
}

void Path::set_from_host(std::size_t host, const Passage& passage) {
  check(passage);
  const std::lock_guard guard(mutex_);
  ports_.at(host).from_host = passage;
}

void Path::set_to_host(std::size_t host, const Passage& passage) {
  check(passage);
  const std::lock_guard guard(mutex_);
  ports_.at(host).to_host = passage;
}

Path::Counts Path::counts() const { return {forwarded_.load(), lost_.load(), dropped_.load()}; }

void Path::run() {
  prctl(PR_SET_TIMERSLACK, 1);
  // A wire does not wait for a compiler to give way. Refused, it is only noisier.
  const sched_param before_all_others{.sched_priority = 1};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &before_all_others);
  std::vector<pollfd> watched;
  watched.reserve(ports_.size() + 2);
  for (const Port& port : ports_)
    watched.push_back({port.socket.get(), POLLIN, 0});
  watched.push_back({timer_.get(), POLLIN, 0});
  watched.push_back({end_.get(), POLLIN, 0});
  while (true) {
    wait(host_now());
    if (poll(watched.data(), watched.size(), kIdleMs) < 0 && errno != EINTR) return;
    if (watched.back().revents != 0) return;
    for (std::size_t from = 0; from < ports_.size(); ++from)
      if (watched[from].revents != 0) take_in(from);
    send_what_is_due();
  }
}

// The timer is absolute and on the clock of the timestamps. It rings early by what waking up takes; the rest is spun
// away in send_what_is_due, at most kSpin for each frame.
void Path::wait(HostTime now) {
  itimerspec when{};
  if (!in_flight_.empty()) {
    const std::int64_t ring = std::max((in_flight_.begin()->first - kSpin).ns, now.ns + 1);
    when.it_value = {ring / kBillion, ring % kBillion};
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Path::take_in(std::size_t from) {
  Arrival arrival;
  for (int i = 0; i < kMaxFramesPerTurn && receive(ports_[from], arrival); ++i)
    schedule(from, std::move(arrival));
}

bool Path::receive(const Port& port, Arrival& arrival) {
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(timespec))> control;
  iovec body{buffer_.data(), buffer_.size()};
  msghdr header{};
  header.msg_iov = &body;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t length = recvmsg(port.socket.get(), &header, 0);
  if (length < 0) return false;
  arrival.at = arrival_time(header);
  arrival.bytes.assign(buffer_.begin(), buffer_.begin() + length);
  return true;
}

void Path::schedule(std::size_t from, Arrival arrival) {
  const auto bytes = std::make_shared<const std::vector<std::byte>>(std::move(arrival.bytes));
  const std::lock_guard guard(mutex_);
  if (is_lost(ports_[from].from_host)) {
    ++lost_;
    return;
  }
  const time::Duration outbound = drawn(ports_[from].from_host);
  for (std::size_t to = 0; to < ports_.size(); ++to) {
    if (to == from) continue;
    if (is_lost(ports_[to].to_host)) {
      ++lost_;
      continue;
    }
    if (in_flight_.size() >= kMaxInFlight) {
      ++dropped_;
      continue;
    }
    HostTime& last = last_due_[{from, to}];
    last = std::max(last, arrival.at + outbound + drawn(ports_[to].to_host));
    in_flight_.emplace(last, Frame{to, bytes});  // equal ones stay in order
  }
}

void Path::send_what_is_due() {
  while (!in_flight_.empty()) {
    const HostTime due = in_flight_.begin()->first;
    HostTime now = host_now();
    if (due - kSpin > now) return;
    while (now < due)
      now = host_now();
    const Frame& frame = in_flight_.begin()->second;
    if (::send(ports_[frame.to].socket.get(), frame.bytes->data(), frame.bytes->size(), 0) >= 0)
      ++forwarded_;
    else
      ++dropped_;
    in_flight_.erase(in_flight_.begin());
  }
}

time::Duration Path::drawn(const Passage& passage) {
  if (passage.jitter.ns == 0) return passage.delay;
  return passage.delay + time::Duration{std::uniform_int_distribution<std::int64_t>(0, passage.jitter.ns)(random_)};
}

bool Path::is_lost(const Passage& passage) {
  return passage.loss_ppm != 0 &&
         std::uniform_int_distribution<std::uint32_t>(0, kMillion - 1)(random_) < passage.loss_ppm;
}

}  // namespace gnomon::bed
