// SPDX-License-Identifier: Apache-2.0
//
// A rack of virtual hosts: up to three grandmasters and one client, each with a network namespace and a virtual clock
// of its own, and real ptp4l processes on them.
//
// A simulated servo would agree with our idea of ptp4l; what matters is where the real one differs from it, such as the
// offset that it goes on reporting long after the grandmaster is gone. So the processes are Debian's, unmodified, and
// what the test knows beside them is the truth: the clock of the first grandmaster, which nobody disciplines.
//
//   Rack rack({.client = {.ahead = time::milliseconds(5), .drift_ppb = 25'000}});
//   rack.start_grandmaster(0);
//   rack.start_client();
//   rack.wait_for_client("SLAVE", 15s);
//   rack.client_error(host_now())      // client - truth: what no process can know
//
// Every process runs without CAP_SYS_TIME besides its preloaded library, so even a fault in that can't set the
// machine's clock. All of it takes root: ask `available` first. What can't be done throws. Processes die with the
// object, or with the test's own process; namespaces go with them. Thread rule: one thread.
//
// ptp4l announces ptpTimescale 0 here, since a software grandmaster serves UTC. Set it to 1 to see a client that is
// wrong by 37 s in state SLAVE.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/ptp/bed/path.hpp"
#include "tests/ptp/bed/virtual_clock.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/network_namespace.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {

/// What a grandmaster says about itself; the fields of GRANDMASTER_SETTINGS_NP.
struct GrandmasterSettings {
  int clock_class = 6;
  int clock_accuracy = 0x21;  // 100 ns
  int offset_scaled_log_variance = 0x4e5d;
  int current_utc_offset_s = 37;
  bool leap61 = false;
  bool leap59 = false;
  bool utc_offset_valid = true;
  bool ptp_timescale = false;
  bool time_traceable = true;
  bool frequency_traceable = true;
  int time_source = 0x20;  // GPS
};

struct RackOptions {
  std::vector<VirtualClock::Start> grandmasters{VirtualClock::Start{}};  // 1 to 3
  VirtualClock::Start client{};
  /// A Path between the hosts instead of a plain cable. Its hosts are numbered like ours: the client is the last.
  /// With more than one grandmaster there always is one.
  bool with_path = false;
  /// Lines for the end of the [global] section of the client's ptp4l.conf, e.g. "clock_servo nullf".
  std::vector<std::string> client_settings{};
};

/// pmc's answer, key by key ("master_offset" -> "-123"). Empty: there was none.
using PmcAnswer = std::map<std::string, std::string>;

class Rack {
 public:
  explicit Rack(RackOptions options);
  Rack(const Rack&) = delete;
  Rack& operator=(const Rack&) = delete;

  /// Whether it can be had here; else `why` says what is missing. The first call may fetch the programs.
  [[nodiscard]] static bool available(std::string* why = nullptr);
  /// Whether it is version 4 or later. Its grandmasters take an announced leap second for one that has passed, unless
  /// its midnight is near: the announcement goes, and the UTC offset is one more.
  [[nodiscard]] static bool is_linuxptp_4();
  static constexpr int kDomain = 24;

  // --- hosts; the client is number `client()`, the grandmasters are 0 and up
  [[nodiscard]] std::size_t client() const { return hosts_.size() - 1; }
  [[nodiscard]] const support::NetworkNamespace& network(std::size_t host) const { return hosts_.at(host)->network; }
  [[nodiscard]] const std::string& interface(std::size_t host) const { return hosts_.at(host)->interface; }
  /// IPv4, without the length of the prefix.
  [[nodiscard]] static std::string address(std::size_t host);
  [[nodiscard]] VirtualClock& clock(std::size_t host) const { return hosts_.at(host)->clock; }
  [[nodiscard]] VirtualClock& truth() const { return clock(0); }
  /// Nullptr on a plain cable.
  [[nodiscard]] Path* path() const { return path_.get(); }
  /// For files that are to go with the rack.
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

  // --- processes
  /// Returns once it has taken its settings.
  void start_grandmaster(std::size_t host, const GrandmasterSettings& settings = {});
  void start_client();
  /// Any program, on a host and under its clock. A name without a slash is looked for among the fetched programs first.
  [[nodiscard]] std::unique_ptr<support::ChildProcess> start_program(
      std::size_t host, std::vector<std::string> arguments, const std::string& log_name,
      const std::map<std::string, std::string>& environment = {}) const;
  /// ptp4l of a host: its log is log_path(), a signal is send_signal(SIGSTOP).
  [[nodiscard]] support::ChildProcess& ptp4l(std::size_t host) const;
  void kill_ptp4l(std::size_t host);
  /// Its management socket.
  [[nodiscard]] std::string socket(std::size_t host) const;

  // --- what ptp4l says
  void set_grandmaster(std::size_t host, const GrandmasterSettings& settings) const;
  /// `request` as in "GET TIME_STATUS_NP".
  [[nodiscard]] PmcAnswer pmc(std::size_t host, const std::string& request) const;
  /// The client's port: "LISTENING", "UNCALIBRATED", "SLAVE", ...; empty if it doesn't answer.
  [[nodiscard]] std::string client_state() const;
  [[nodiscard]] bool wait_for_client(const std::string& state, std::chrono::milliseconds limit) const;
  /// What the client believes: its clock less the master's. Nothing if it doesn't answer.
  [[nodiscard]] std::optional<time::Duration> client_offset() const;

  // --- the truth
  /// The client's clock less the truth.
  [[nodiscard]] time::Duration client_error(HostTime host) const { return difference(clock(client()), truth(), host); }
  /// All logs, for the message of a failed assertion.
  [[nodiscard]] std::string logs() const;

 private:
  struct Host {
    std::string name;
    std::string interface;
    support::NetworkNamespace network;
    VirtualClock clock;
    std::unique_ptr<support::ChildProcess> ptp4l;

    Host(std::string its_name, const std::filesystem::path& folder, VirtualClock::Start start);
  };

  void lay_cables(bool with_path);
  void start_ptp4l(std::size_t host, const std::string& settings);
  [[nodiscard]] std::filesystem::path log_of(const std::string& name) const { return folder() / (name + ".log"); }

  support::ScratchFolder folder_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unique_ptr<Path> path_;
  std::vector<std::string> client_settings_;
};

}  // namespace gnomon::bed
