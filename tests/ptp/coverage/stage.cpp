// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/coverage/stage.hpp"

#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

#include "tests/support/daemon.hpp"

namespace gnomon::coverage {
namespace {

using bed::host_now;
using bed::HostTime;
using time::Duration;

constexpr int kFullEvents = 3;
constexpr int kFullQuiet = 10;
constexpr Duration kSynchroniseLimit = time::seconds(40);
constexpr int kPollMs = 20;
constexpr HostTime kNeverEnds{std::numeric_limits<std::int64_t>::max()};

void sleep_until(HostTime when) {
  while (true) {
    const Duration left = when - host_now();
    if (left <= Duration{}) return;
    support::nap(static_cast<int>(std::min<std::int64_t>(left.ns / 1'000'000 + 1, 1000)));
  }
}

class Stage {
 public:
  explicit Stage(const Scenario& scenario)
      : scenario_(scenario), rack_(scenario.rack), truth_(rack_.truth().state().line) {
    for (const FileClock& file : scenario.files) {
      const auto path = rack_.folder() / fmt::format("file{}.clock", files_.size());
      files_.push_back(std::make_unique<bed::VirtualClock>(path, file.start));
    }
  }

  void run(Played& played) {
    played.truth = truth_;
    for (const Deed& deed : scenario_.before)
      carry_out_any(deed);
    start_servers();
    start_witness();
    start_client();
    const HostTime began = wait_for_synchronisation();
    for (const Event& event : scenario_.events) {
      sleep_until(began + event.at * stretch());
      const HostTime before = host_now();
      carry_out_any(event.deed);
      note(played, event, {before, host_now()});
    }
    sleep_until(began + scenario_.length * stretch());
    // One that has crashed meanwhile would leave a good beginning, and be judged by that alone.
    witness_->send_signal(SIGTERM);
    const support::Exit exit = witness_->wait_exit(std::chrono::seconds(5));
    if (exit.signal != SIGTERM) throw std::runtime_error("the witness has ended by itself");
    played.records = read_recording(recording());
  }

  [[nodiscard]] std::string logs() const { return rack_.logs(); }

 private:
  [[nodiscard]] std::filesystem::path recording() const { return rack_.folder() / "recording"; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return (rack_.folder() / name).string(); }
  [[nodiscard]] int stretch() const {
    if (!support::full_size()) return 1;
    return scenario_.events.empty() ? kFullQuiet : kFullEvents;
  }

  void start_servers() {
    if (scenario_.followed == Followed::kPtp4l) {
      for (std::size_t i = 0; i < scenario_.grandmasters.size(); ++i)
        rack_.start_grandmaster(i, scenario_.grandmasters[i]);
    } else if (scenario_.followed == Followed::kChronyd) {
      server_ = start_chronyd(0, "server", "local stratum 1\nallow all\n");
    }
  }

  void start_client() {
    if (scenario_.followed == Followed::kPtp4l) return rack_.start_client();
    client_ = start_chronyd(rack_.client(), "chrony",
                            fmt::format("server {} minpoll -4 maxpoll -4 iburst\nport 0\n", bed::Rack::address(0)));
  }

  [[nodiscard]] std::unique_ptr<support::ChildProcess> start_chronyd(std::size_t host, const std::string& name,
                                                                     const std::string& settings) const {
    const std::string config = in_folder(name + ".conf");
    std::ofstream(config) << "pidfile " << in_folder(name + ".pid") << "\nbindcmdaddress " << in_folder(name + ".sock")
                          << "\ncmdport 0\n"
                          << settings;
    return rack_.start_program(host, {"chronyd", "-x", "-U", "-d", "-u", "root", "-f", config}, name);
  }

  void start_witness() {
    const std::int64_t limit_s = (scenario_.length * stretch() + kSynchroniseLimit).ns / bed::kBillion + 20;
    std::vector<std::string> command{support::built("tests/ptp/coverage/witness"), recording().string(),
                                     std::to_string(limit_s)};
    if (scenario_.followed == Followed::kPtp4l)
      command.push_back(fmt::format("ptp4l:{}?domain={}&scale={}", rack_.socket(rack_.client()), bed::Rack::kDomain,
                                    scenario_.scale));
    else
      command.push_back("chrony:" + in_folder("chrony.sock"));
    for (std::size_t i = 0; i < files_.size(); ++i)
      command.push_back(
          fmt::format("file:{}?bound_us={}", files_[i]->file().string(), scenario_.files[i].bound.ns / 1000));
    witness_ = rack_.start_program(rack_.client(), command, "witness");
  }

  HostTime wait_for_synchronisation() {
    const HostTime limit = host_now() + kSynchroniseLimit;
    while (scenario_.expected.synchronises && witness_->log().find("synchronised\n") == std::string::npos) {
      if (!witness_->running()) throw std::runtime_error("the witness has ended");
      if (host_now() > limit) throw std::runtime_error("the witness was never given an interval");
      support::nap(kPollMs);
    }
    return host_now();
  }

  static void note(Played& played, const Event& event, Span when) {
    played.events.push_back(when);
    if (!event.holds) return;
    if (!*event.holds)
      played.broken.push_back({when.from, kNeverEnds});
    else if (!played.broken.empty())
      played.broken.back().until = when.until + event.after;
  }

  [[nodiscard]] bed::VirtualClock& clock(Whose whose) const {
    return whose.is_file ? *files_.at(whose.index) : rack_.clock(whose.index);
  }
  void carry_out_any(const Deed& any) {
    std::visit([this](const auto& deed) { carry_out(deed); }, any);
  }
  void carry_out(const StepClock& deed) const { clock(deed.whose).step(deed.by); }
  void carry_out(const DriftClock& deed) const { clock(deed.whose).set_drift_ppb(deed.ppb); }
  void carry_out(const Signal& deed) {
    if (deed.number == SIGKILL)
      rack_.kill_ptp4l(deed.grandmaster);
    else
      rack_.ptp4l(deed.grandmaster).send_signal(deed.number);
  }
  void carry_out(const Declare& deed) const { rack_.set_grandmaster(deed.grandmaster, deed.settings); }
  void carry_out(const Way& deed) const { rack_.path()->set_from_host(deed.from_host, deed.passage); }
  void carry_out(const KillServer&) { server_.reset(); }

  const Scenario& scenario_;
  bed::Rack rack_;
  bed::Line truth_;
  std::vector<std::unique_ptr<bed::VirtualClock>> files_;
  std::unique_ptr<support::ChildProcess> server_;
  std::unique_ptr<support::ChildProcess> client_;
  std::unique_ptr<support::ChildProcess> witness_;
};

}  // namespace

Played play(const Scenario& scenario) {
  Played played;
  try {
    Stage stage(scenario);
    try {
      stage.run(played);
    } catch (const std::exception& error) {
      played.problem = error.what();
    }
    played.logs = stage.logs();
  } catch (const std::exception& error) {
    played.problem = error.what();
  }
  return played;
}

}  // namespace gnomon::coverage
