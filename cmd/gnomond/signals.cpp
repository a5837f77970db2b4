// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "platform/system_error.hpp"

namespace gnomon::cmd {

Or<Signals> Signals::block() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&set, signal);
  if (const int code = pthread_sigmask(SIG_BLOCK, &set, nullptr); code != 0)
    return refused(platform::system_error("block signals", code).text);
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(bugprone-signal-handler): ignored, not handled
  platform::UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return refused(platform::system_error("make a descriptor for signals").text);
  return Signals(std::move(fd));
}

Signal Signals::wait(std::chrono::milliseconds limit) const {
  pollfd entry{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&entry, 1, static_cast<int>(limit.count())) <= 0) return Signal::kNone;
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) return Signal::kNone;
  return info.ssi_signo == SIGHUP ? Signal::kReload : Signal::kStop;
}

}  // namespace gnomon::cmd
