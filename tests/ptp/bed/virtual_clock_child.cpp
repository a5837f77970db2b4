// SPDX-License-Identifier: Apache-2.0
//
// A program that knows nothing of virtual clocks: it asks for the time in every way that libc offers, sets it, and
// reads the timestamps of packets, and says what it got, one "name value" a line. What its test preloads into it must
// have caught all of them; a way that was forgotten shows the machine's own time.
//
//   virtual_clock_child read | stamps | set | refused
#include <arpa/inet.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string_view>

namespace {

constexpr std::int64_t kBillion = 1'000'000'000;

void say(const char* name, std::int64_t value) { std::printf("%s %lld\n", name, static_cast<long long>(value)); }

std::int64_t ns_of(const timespec& t) { return t.tv_sec * kBillion + t.tv_nsec; }

void say_clock(const char* name, clockid_t clock) {
  timespec t{};
  say(name, clock_gettime(clock, &t) == 0 ? ns_of(t) : -1);
}

int read_all() {
  say_clock("clock_gettime", CLOCK_REALTIME);
  say_clock("coarse", CLOCK_REALTIME_COARSE);
  say_clock("tai", CLOCK_TAI);
  timeval tv{};
  gettimeofday(&tv, nullptr);
  say("gettimeofday", tv.tv_sec * kBillion + tv.tv_usec * 1000);
  say("time", time(nullptr) * kBillion);
  timespec ts{};
  timespec_get(&ts, TIME_UTC);
  say("timespec_get", ns_of(ts));
  say("chrono", std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  timex reading{};
  say("state", adjtimex(&reading));
  say("adjtimex", reading.time.tv_sec * kBillion +
                      reading.time.tv_usec * ((reading.status & STA_NANO) != 0 ? std::int64_t{1} : std::int64_t{1000}));
  say_clock("monotonic", CLOCK_MONOTONIC);
  return 0;
}

// As a servo does it: each call, and what a reader sees afterwards.
int set_all() {
  const timespec to{5'000'000'000, 1};
  say("clock_settime", clock_settime(CLOCK_REALTIME, &to));
  say_clock("after_settime", CLOCK_REALTIME);
  const timeval day{6'000'000'000, 2};
  say("settimeofday", settimeofday(&day, nullptr));
  say_clock("after_settimeofday", CLOCK_REALTIME);
  timex step{};
  step.modes = ADJ_SETOFFSET | ADJ_NANO;
  step.time = {-1, 999'000'000};  // a millisecond back
  say("setoffset", clock_adjtime(CLOCK_REALTIME, &step));
  timex servo{};
  servo.modes = ADJ_FREQUENCY | ADJ_TICK | ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR;
  servo.freq = 100 * 65'536;
  servo.tick = 10'001;
  servo.status = 0;
  servo.maxerror = 1234;
  servo.esterror = 56;
  say("adjtimex", adjtimex(&servo));
  timex tai{};
  tai.modes = ADJ_TAI;
  tai.constant = 37;
  say("ntp_adjtime", ntp_adjtime(&tai));
  timex reading{};
  say("state", clock_adjtime(CLOCK_REALTIME, &reading));
  say("freq", reading.freq);
  say("tick", reading.tick);
  say("status", reading.status);
  say("maxerror", reading.maxerror);
  say("esterror", reading.esterror);
  say("tai", reading.tai);
  return 0;
}

// Each must fail, with this errno.
int be_refused() {
  timex singleshot{};
  singleshot.modes = ADJ_OFFSET_SINGLESHOT;
  singleshot.offset = 1000;
  say("singleshot", adjtimex(&singleshot) < 0 ? errno : 0);
  timex tick{};
  tick.modes = ADJ_TICK;
  tick.tick = 1;
  say("tick", adjtimex(&tick) < 0 ? errno : 0);
  const timespec to{-1, 0};
  say("settime", clock_settime(CLOCK_REALTIME, &to) < 0 ? errno : 0);
  const timeval slowly{0, 1};
  say("adjtime", adjtime(&slowly, nullptr) < 0 ? errno : 0);
  return 0;
}

std::int64_t stamp_in(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    timespec t{};
    std::memcpy(&t, CMSG_DATA(c), sizeof t);
    if (c->cmsg_type == SO_TIMESTAMP) return t.tv_sec * kBillion + t.tv_nsec * 1000;  // a timeval
    if (c->cmsg_type == SO_TIMESTAMPNS || c->cmsg_type == SO_TIMESTAMPING) return ns_of(t);
  }
  return -1;
}

// One datagram to itself, stamped in the way `option` asks for.
void say_stamp(const char* name, int option, int value, bool several) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof self;
  void* generic = &self;
  auto* address = static_cast<sockaddr*>(generic);
  setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);
  if (bind(fd, address, length) != 0 || getsockname(fd, address, &length) != 0) return say(name, -2);
  // Stamping is switched on by the kernel a moment after the first socket has asked for it.
  std::array<char, 16> body{};
  alignas(cmsghdr) std::array<char, 512> control{};
  iovec part{body.data(), body.size()};
  std::int64_t stamp = -1;
  for (int i = 0; i < 2000 && stamp <= 0; ++i) {
    if (sendto(fd, "x", 1, 0, address, length) != 1) break;
    pollfd readable{fd, POLLIN, 0};
    poll(&readable, 1, 1000);
    mmsghdr message{};
    message.msg_hdr = {nullptr, 0, &part, 1, control.data(), control.size(), 0};
    const bool got = several ? recvmmsg(fd, &message, 1, MSG_DONTWAIT, nullptr) == 1
                             : recvmsg(fd, &message.msg_hdr, MSG_DONTWAIT) >= 0;
    if (got) stamp = stamp_in(message.msg_hdr);
    if (stamp <= 0) poll(nullptr, 0, 1);
  }
  close(fd);
  say(name, stamp);
}

int stamp_all() {
  constexpr int kSoftware = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  for (const bool several : {false, true}) {
    say_stamp(several ? "timestamp_mm" : "timestamp", SO_TIMESTAMP, 1, several);
    say_stamp(several ? "timestampns_mm" : "timestampns", SO_TIMESTAMPNS, 1, several);
    say_stamp(several ? "timestamping_mm" : "timestamping", SO_TIMESTAMPING, kSoftware, several);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc == 2 ? argv[1] : "";
  if (what == "read") return read_all();
  if (what == "set") return set_all();
  if (what == "stamps") return stamp_all();
  if (what == "refused") return be_refused();
  std::fputs("usage: virtual_clock_child read | stamps | set | refused\n", stderr);
  return 2;
}
