// SPDX-License-Identifier: Apache-2.0
//
// A holder for tests/control/lease_*_test.cpp: acts under a lease and writes down each act with an interval that
// contains the true time (tests/support/lease_history.hpp), until it is told to stop, killed, or holds it no more.
//
//   lease_program hold INSTANCE WHO NOTES SERVER NAME TTL_MS   takes the lease itself, waiting for it, with the library
//   lease_program act  INSTANCE WHO NOTES MS                   the command of `gnomon lease run`, for so long
//
// The time is read before the lease is looked at: a pause between the two, of any length, then makes a line too old or
// none at all, and never one that claims a moment at which the lease was gone already. `act` looks at nothing, since
// its wrapper has promised to end it in time. Without a true time there is no line: that nobody acted is not claimed.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "client/lease/lease_client.hpp"
#include "client/shared_clock.hpp"
#include "platform/unique_fd.hpp"
#include "tests/support/lease_history.hpp"

namespace {

using namespace gnomon;
using namespace std::chrono_literals;

using What = support::LeaseLine::What;

constexpr auto kBetweenActs = 5ms;
constexpr auto kClockPatience = 5s;  // for a first time: a daemon that was started anew makes a page of its own
constexpr time::Duration kWait = time::seconds(600);
enum : int { kFine = 0, kFailed = 1, kWrongCall = 2, kLost = 3 };

class Notes {
 public:
  Notes(std::string instance, std::string who, const std::string& path)
      : instance_(std::move(instance)),
        who_(std::move(who)),
        file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

  /// Writes it down with the time, unless there is none or `holds` says no afterwards.
  bool write(const std::string& name, std::uint64_t token, What what, const std::function<bool()>& holds) {
    const auto now = time();
    if (!now || !holds()) return false;
    const std::string line = encode(support::LeaseLine{who_, name, token, what, *now}) + "\n";
    return ::write(file_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
  }

 private:
  std::optional<time::Interval> time() {
    if (!clock_) {
      auto opened = client::SharedClock::open({.instance = instance_});
      if (!opened) return std::nullopt;
      clock_.emplace(std::move(*opened));
    }
    const auto now = clock_->now();
    return now ? std::optional(*now) : std::nullopt;
  }

  const std::string instance_;
  const std::string who_;
  const platform::UniqueFd file_;
  std::optional<client::SharedClock> clock_;
};

bool begins(Notes& notes, const std::string& name, std::uint64_t token, const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + kClockPatience;
  while (!notes.write(name, token, What::kBegan, holds)) {
    if (!holds() || std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kBetweenActs);
  }
  return true;
}

int hold(Notes& notes, const std::string& server, const std::string& name, int ttl_ms) {
  const auto client = client::LeaseClient::connect({.servers = {server}});
  if (!client) return std::cerr << client.error().text << '\n', kFailed;
  const auto session = (*client)->open_session({.ttl = time::milliseconds(ttl_ms)});
  if (!session) return std::cerr << session.error().text << '\n', kFailed;
  const auto lease = (*session)->acquire(name, {.wait_for = kWait});
  if (!lease) return std::cerr << lease.error().text << '\n', kFailed;
  const auto holds = [&] { return lease->holds(); };
  (void)begins(notes, name, lease->token(), holds);
  while (holds()) {
    (void)notes.write(name, lease->token(), What::kActs, holds);
    std::this_thread::sleep_for(kBetweenActs);
  }
  std::cout << "lost " << lease->token() << '\n' << std::flush;
  return kLost;
}

int act(Notes& notes, int ms) {
  const char* name = std::getenv("GNOMON_LEASE_NAME");  // NOLINT(concurrency-mt-unsafe): one thread
  const char* token_text = std::getenv("GNOMON_LEASE_TOKEN");
  if (name == nullptr || token_text == nullptr)
    return std::cerr << "act is a command for `gnomon lease run`\n", kWrongCall;
  const std::uint64_t token = std::strtoull(token_text, nullptr, 10);
  const auto always = [] { return true; };
  if (!begins(notes, name, token, always)) return std::cerr << "there is no true time\n", kFailed;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (std::chrono::steady_clock::now() < until) {
    (void)notes.write(name, token, What::kActs, always);
    std::this_thread::sleep_for(kBetweenActs);
  }
  (void)notes.write(name, token, What::kEnded, always);
  return kFine;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "hold" && argc == 8) {
    Notes notes(argv[2], argv[3], argv[4]);
    return hold(notes, argv[5], argv[6], std::atoi(argv[7]));  // NOLINT(cert-err34-c)
  }
  if (mode == "act" && argc == 6) {
    Notes notes(argv[2], argv[3], argv[4]);
    return act(notes, std::atoi(argv[5]));  // NOLINT(cert-err34-c)
  }
  std::cerr << "usage: lease_program hold INSTANCE WHO NOTES SERVER NAME TTL_MS\n"
               "       lease_program act INSTANCE WHO NOTES MS\n";
  return kWrongCall;
}
