// SPDX-License-Identifier: Apache-2.0
//
// libgnomon_vclock.so: preloaded into an unmodified program, it puts the virtual clock of VIRTUAL_CLOCK_FILE in the
// place of the machine's.
//
// To replace clock_gettime alone would leave ptp4l with two clocks: packets are stamped by the kernel, with the host's
// time. So the timestamps in control messages are translated as well (software ones; ts[0] of SO_TIMESTAMPING), at the
// time at which the kernel took them. All that would set the clock ends in the file. Nothing here falls back to the
// host's clock: without a usable file the process ends with status 125 and says why.
//
// Untouched, so a program that relies on them sees the host's time: system calls made past libc, SIOCGSTAMP, waiting
// until an absolute CLOCK_REALTIME (clock_nanosleep, timerfd, condition variables), times of files, PHCs.
//
// No C++ library is needed at run time: C programs load this.
#include <fcntl.h>
#include <linux/errqueue.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timex.h>

#include <cstdlib>

#include "tests/ptp/bed/virtual_clock_page.hpp"

namespace {

using gnomon::bed::ClockState;
using gnomon::bed::HostTime;
using gnomon::bed::kBillion;
using gnomon::bed::Page;
using gnomon::bed::VirtualTime;

// The newer layouts of control messages, for which not every libc has a name.
constexpr int kTimestampNew = 63;
constexpr int kTimestampNsNew = 64;
constexpr int kTimestampingNew = 65;

constexpr int kGaveUp = 125;

[[noreturn]] void give_up(const char* why) {
  for (const char* part : {"libgnomon_vclock: ", why, "\n"})
    if (write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
  _exit(kGaveUp);
}

Page* open_page() {
  const char* path = std::getenv(gnomon::bed::kFileVariable);
  if (path == nullptr) give_up("VIRTUAL_CLOCK_FILE does not name the file of a virtual clock");
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
  if (fd < 0) give_up("the file that VIRTUAL_CLOCK_FILE names can't be opened");
  struct stat about{};
  if (fstat(fd, &about) != 0 || about.st_size < static_cast<off_t>(sizeof(Page)))
    give_up("the file that VIRTUAL_CLOCK_FILE names is too short for a virtual clock");
  void* address = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (address == MAP_FAILED) give_up("the file that VIRTUAL_CLOCK_FILE names can't be mapped");
  auto* page = static_cast<Page*>(address);
  if (!page->usable()) give_up("the file that VIRTUAL_CLOCK_FILE names is of another version, or no virtual clock");
  return page;
}

// Opened at the first use, because constructors of other libraries may ask for the time before ours has run. Two
// threads may both open it; then one mapping too many stays.
Page& page() {
  static std::atomic<Page*> shared{nullptr};
  Page* known = shared.load(std::memory_order_acquire);  // pairs with the store below
  if (known == nullptr) {
    known = open_page();
    shared.store(known, std::memory_order_release);
  }
  return *known;
}

[[gnu::constructor]] void open_at_start() { (void)page(); }

ClockState state_now() {
  const auto state = page().read();
  if (!state) give_up("the virtual clock changes too fast to be read");
  return *state;
}

VirtualTime translated(HostTime host) { return state_now().line.at(host); }

int adjust_shared(timex& request) {
  int result = 0;
  if (request.modes == 0) {
    ClockState state = state_now();
    result = gnomon::bed::adjust(state, request, gnomon::bed::host_now());
  } else if (!page().change([&](ClockState& s, HostTime now) { result = gnomon::bed::adjust(s, request, now); })) {
    give_up("the virtual clock is held by a process that has been stopped");
  }
  if (result >= 0) return result;
  errno = -result;
  return -1;
}

int set_shared(std::int64_t seconds, std::int64_t ns) {
  constexpr std::int64_t kLastSecond = 9'000'000'000;
  if (seconds < 0 || seconds > kLastSecond || ns < 0 || ns >= kBillion) {
    errno = EINVAL;
    return -1;
  }
  const VirtualTime wanted{seconds * kBillion + ns};
  if (!page().change([&](ClockState& s, HostTime now) { gnomon::bed::step(s, now, wanted - s.line.at(now)); }))
    give_up("the virtual clock is held by a process that has been stopped");
  return 0;
}

template <typename Time>
void translate(Time& t, std::int64_t units_per_second, std::int64_t& part) {
  if (t.tv_sec == 0 && part == 0) return;  // none was taken
  const std::int64_t unit_ns = kBillion / units_per_second;
  const VirtualTime shown = translated({t.tv_sec * kBillion + part * unit_ns});
  t.tv_sec = shown.ns / kBillion;
  part = shown.ns % kBillion / unit_ns;
  page().translated.fetch_add(1, std::memory_order_relaxed);  // a counter, it pairs with nothing
}

template <typename Time>
void translate_at(void* data, std::int64_t units_per_second, std::int64_t Time::* part_of) {
  Time t;
  std::memcpy(&t, data, sizeof(t));
  translate(t, units_per_second, t.*part_of);
  std::memcpy(data, &t, sizeof(t));
}

void translate_control(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_len < CMSG_LEN(sizeof(timespec))) continue;
    switch (c->cmsg_type) {
      case SO_TIMESTAMP:
      case kTimestampNew: translate_at(CMSG_DATA(c), 1'000'000, &timeval::tv_usec); break;
      case SO_TIMESTAMPNS:
      case kTimestampNsNew:
      case SO_TIMESTAMPING:  // the software timestamp comes first
      case kTimestampingNew: translate_at(CMSG_DATA(c), kBillion, &timespec::tv_nsec); break;
      default: break;
    }
  }
}

}  // namespace

// What follows has libc's names and signatures.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name,misc-use-internal-linkage)
extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  std::int64_t ahead_s = 0;
  switch (clock) {
    case CLOCK_TAI: ahead_s = state_now().tai_s; [[fallthrough]];
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: {
      const VirtualTime now = translated(gnomon::bed::host_now());
      *out = {now.ns / kBillion + ahead_s, now.ns % kBillion};
      return 0;
    }
    default: return static_cast<int>(syscall(SYS_clock_gettime, clock, out));
  }
}

int timespec_get(timespec* out, int base) noexcept {
  return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, out) == 0 ? base : 0;
}

int gettimeofday(timeval* __restrict out, void* __restrict) noexcept {
  const VirtualTime now = translated(gnomon::bed::host_now());
  *out = {now.ns / kBillion, now.ns % kBillion / 1000};
  return 0;
}

time_t time(time_t* out) noexcept {
  const time_t now = translated(gnomon::bed::host_now()).ns / kBillion;
  if (out != nullptr) *out = now;
  return now;
}

int clock_settime(clockid_t clock, const timespec* to) noexcept {
  if (clock == CLOCK_REALTIME) return set_shared(to->tv_sec, to->tv_nsec);
  return static_cast<int>(syscall(SYS_clock_settime, clock, to));
}

int settimeofday(const timeval* to, const struct timezone*) noexcept {
  if (to == nullptr) return 0;  // a time zone alone
  if (to->tv_usec >= 0 && to->tv_usec < 1'000'000) return set_shared(to->tv_sec, to->tv_usec * 1000);
  errno = EINVAL;
  return -1;
}

int clock_adjtime(clockid_t clock, timex* request) noexcept {
  if (clock == CLOCK_REALTIME) return adjust_shared(*request);
  return static_cast<int>(syscall(SYS_clock_adjtime, clock, request));
}

int adjtimex(timex* request) noexcept { return adjust_shared(*request); }
int ntp_adjtime(timex* request) noexcept { return adjust_shared(*request); }

int adjtime(const timeval* delta, timeval* old) noexcept {
  if (delta != nullptr && (delta->tv_sec != 0 || delta->tv_usec != 0)) {
    errno = EOPNOTSUPP;
    return -1;
  }
  if (old != nullptr) *old = {};
  return 0;
}

// Straight to the kernel: what comes from there is the host's, whatever other libraries are loaded.
ssize_t recvmsg(int fd, msghdr* message, int flags) {
  const auto received = static_cast<ssize_t>(syscall(SYS_recvmsg, fd, message, flags));
  if (received >= 0) translate_control(*message);
  return received;
}

int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
  const auto received = static_cast<int>(syscall(SYS_recvmmsg, fd, messages, count, flags, limit));
  for (int i = 0; i < received; ++i)
    translate_control(messages[i].msg_hdr);
  return received;
}

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name,misc-use-internal-linkage)
