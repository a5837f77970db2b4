// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/bed/rack.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tests/support/daemon.hpp"

namespace gnomon::bed {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMaxGrandmasters = 3;
constexpr milliseconds kPmcLimit{5000};
constexpr seconds kStartLimit{10};
constexpr seconds kFetchLimit{300};
constexpr int kPollMs = 50;

std::filesystem::path daemons_folder() { return std::filesystem::absolute(support::built("time-daemons")); }

std::string daemon_program(const std::string& name) {
  for (const char* folder : {"usr/sbin", "usr/bin"})
    if (const auto path = daemons_folder() / folder / name; std::filesystem::exists(path)) return path.string();
  return support::find_program(name);
}

// Libraries that were unpacked because the machine lacks them. Debian puts them into a folder per architecture.
std::string library_path() {
  std::string path;
  for (const char* base : {"usr/lib", "lib"}) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(daemons_folder() / base, ignored))
      if (entry.is_directory() && entry.path().filename().string().ends_with("-linux-gnu"))
        path += (path.empty() ? "" : ":") + entry.path().string();
  }
  return path;
}

std::string fetch() {
  const std::string python = support::find_program("python3");
  if (python.empty()) return "python3, which fetches linuxptp, is not installed";
  const support::Output output = support::run_program(
      {python, support::built("tests/ptp/bed/fetch_linuxptp.py"), daemons_folder().string()}, {}, kFetchLimit);
  return output.exit.code == 0 ? std::string() : output.text;
}

std::string missing_here() {
  if (geteuid() != 0) return "virtual hosts take root";
  std::string why;
  if (!support::NetworkNamespace::available(&why)) return why;
  if (support::find_program("setpriv").empty()) return "setpriv (package util-linux) is not installed";
  if (!std::filesystem::exists(preload_library())) return preload_library() + " has not been built";
  return fetch();
}

bool version_4() {
  static const bool kIs = [] {
    const support::Output output =
        support::run_program({daemon_program("ptp4l"), "-v"}, {{"LD_LIBRARY_PATH", library_path()}});
    return !output.text.empty() && output.text[0] >= '4' && output.text[0] <= '9';
  }();
  return kIs;
}

// The servo of the grandmaster is off (free_running), and it never becomes a slave: its clock is the truth.
constexpr const char* kGrandmasterSettings =
    "priority1 100\npriority2 100\nfree_running 1\nlogAnnounceInterval -2\nmasterOnly 1\nclock_type OC\n";
// A servo that steps once at the start, and then only slews. ptp4l does not scale an explicit integral constant with
// the rate of the Syncs: at 8 a second 0.3 would ring for half a minute, and this settles in about 5 s. Without
// announcements for 3 s it knows of no master.
constexpr const char* kClientSettings =
    "slaveOnly 1\nlogAnnounceInterval 0\nsummary_interval 0\nclock_servo pi\nfirst_step_threshold 0.00002\n"
    "step_threshold 0\npi_proportional_const 1.5\npi_integral_const 0.1\n";

PmcAnswer parsed(const std::string& text) {
  PmcAnswer answer;
  std::istringstream lines(text);
  bool answered = false;
  for (std::string line; std::getline(lines, line);) {
    answered = answered || line.find(" RESPONSE ") != std::string::npos;
    std::istringstream words(line);
    std::string key;
    std::string value;
    if (answered && words >> key >> value) answer[key] = value;
  }
  return answer;
}

}  // namespace

Rack::Host::Host(std::string its_name, const std::filesystem::path& folder, VirtualClock::Start start)
    : name(std::move(its_name)), interface("v" + name), clock(folder / (name + ".clock"), start) {}

bool Rack::is_linuxptp_4() { return version_4(); }

bool Rack::available(std::string* why) {
  static const std::string kMissing = missing_here();
  if (why != nullptr) *why = kMissing;
  return kMissing.empty();
}

Rack::Rack(RackOptions options) : client_settings_(std::move(options.client_settings)) {
  if (options.grandmasters.empty() || options.grandmasters.size() > kMaxGrandmasters)
    throw std::invalid_argument("a rack has 1 to 3 grandmasters");
  for (const VirtualClock::Start& start : options.grandmasters)
    hosts_.push_back(std::make_unique<Host>("gm" + std::to_string(hosts_.size()), folder(), start));
  hosts_.push_back(std::make_unique<Host>("client", folder(), options.client));
  lay_cables(options.with_path || options.grandmasters.size() > 1);
}

void Rack::lay_cables(bool with_path) {
  if (with_path) {
    std::vector<Path::Host> ends;
    ends.reserve(hosts_.size());
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      ends.push_back({hosts_[i]->network, hosts_[i]->interface, address(i) + "/24"});
    path_ = std::make_unique<Path>(ends);
    return;
  }
  support::connect({.where = network(0), .name = interface(0), .addresses = {address(0) + "/24"}},
                   {.where = network(1), .name = interface(1), .addresses = {address(1) + "/24"}});
}

std::string Rack::address(std::size_t host) { return "10.77.0." + std::to_string(host + 1); }

std::string Rack::socket(std::size_t host) const { return (folder() / (hosts_.at(host)->name + ".uds")).string(); }

support::ChildProcess& Rack::ptp4l(std::size_t host) const {
  const auto& process = hosts_.at(host)->ptp4l;
  if (!process) throw std::logic_error("no ptp4l was started on " + hosts_.at(host)->name);
  return *process;
}

void Rack::kill_ptp4l(std::size_t host) { hosts_.at(host)->ptp4l.reset(); }

std::unique_ptr<support::ChildProcess> Rack::start_program(
    std::size_t host, std::vector<std::string> arguments, const std::string& log_name,
    const std::map<std::string, std::string>& environment) const {
  std::string& program = arguments.at(0);
  if (program.find('/') == std::string::npos) {
    const std::string found = daemon_program(program);
    if (found.empty()) throw std::runtime_error(program + " is neither among the fetched programs nor installed");
    program = found;
  }
  std::vector<std::string> command{support::find_program("setpriv"), "--bounding-set=-sys_time",
                                   "--inh-caps=-sys_time"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::map<std::string, std::string> variables = clock(host).environment();
  if (const std::string libraries = library_path(); !libraries.empty()) variables["LD_LIBRARY_PATH"] = libraries;
  for (const auto& [name, value] : environment)
    variables[name] = value;
  return std::make_unique<support::ChildProcess>(command, variables, log_of(log_name),
                                                 support::ChildLimits{.network_namespace = network(host).fd()});
}

void Rack::start_ptp4l(std::size_t host, const std::string& settings) {
  const Host& its = *hosts_.at(host);
  const std::filesystem::path config = folder() / (its.name + ".conf");
  {
    std::ofstream out(config);
    out << "[global]\ndomainNumber " << kDomain << "\ntime_stamping software\nnetwork_transport UDPv4\n"
        << "delay_mechanism E2E\nlogSyncInterval -3\nlogMinDelayReqInterval -3\nuse_syslog 0\nverbose 1\n"
        << "logging_level 6\nuds_address " << socket(host) << '\n';
    // Its default is a path that every ptp4l of the machine would take.
    if (version_4()) out << "uds_ro_address " << socket(host) << "ro\n";
    out << settings;
  }
  hosts_.at(host)->ptp4l.reset();
  hosts_.at(host)->ptp4l = start_program(host, {"ptp4l", "-S", "-f", config.string(), "-i", interface(host)}, its.name);
}

void Rack::start_grandmaster(std::size_t host, const GrandmasterSettings& settings) {
  if (host >= client()) throw std::invalid_argument("that host is the client");
  start_ptp4l(host, kGrandmasterSettings);
  set_grandmaster(host, settings);
}

void Rack::start_client() {
  std::string settings = kClientSettings;
  for (const std::string& line : client_settings_)
    settings += line + "\n";
  start_ptp4l(client(), settings);
}

void Rack::set_grandmaster(std::size_t host, const GrandmasterSettings& settings) const {
  const auto bit = [](bool b) { return b ? 1 : 0; };
  const std::string request = fmt::format(
      "SET GRANDMASTER_SETTINGS_NP clockClass {} clockAccuracy {:#x} offsetScaledLogVariance {:#x} currentUtcOffset {} "
      "leap61 {} leap59 {} currentUtcOffsetValid {} ptpTimescale {} timeTraceable {} frequencyTraceable {} "
      "timeSource {:#x}",
      settings.clock_class, settings.clock_accuracy, settings.offset_scaled_log_variance, settings.current_utc_offset_s,
      bit(settings.leap61), bit(settings.leap59), bit(settings.utc_offset_valid), bit(settings.ptp_timescale),
      bit(settings.time_traceable), bit(settings.frequency_traceable), settings.time_source);
  const auto until = Clock::now() + kStartLimit;
  do {
    if (!pmc(host, request).empty()) return;
    support::nap(kPollMs);
  } while (Clock::now() < until && ptp4l(host).running());
  throw std::runtime_error("ptp4l of " + hosts_.at(host)->name + " did not take its settings\n" + logs());
}

PmcAnswer Rack::pmc(std::size_t host, const std::string& request) const {
  static std::atomic<int> number{0};
  const std::string own = (folder() / fmt::format("pmc{}.uds", number++)).string();
  const support::Output output = support::run_program(
      {daemon_program("pmc"), "-u", "-b", "0", "-d", std::to_string(kDomain), "-s", socket(host), "-i", own, request},
      {{"LD_LIBRARY_PATH", library_path()}}, kPmcLimit);
  return parsed(output.text);
}

std::string Rack::client_state() const {
  PmcAnswer answer = pmc(client(), "GET PORT_DATA_SET");
  return answer["portState"];
}

bool Rack::wait_for_client(const std::string& state, std::chrono::milliseconds limit) const {
  const auto until = Clock::now() + limit;
  while (client_state() != state) {
    if (Clock::now() > until || !ptp4l(client()).running()) return false;
    support::nap(kPollMs);
  }
  return true;
}

std::optional<time::Duration> Rack::client_offset() const {
  PmcAnswer answer = pmc(client(), "GET TIME_STATUS_NP");
  const std::string text = answer["master_offset"];
  std::int64_t ns = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ns);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return time::Duration{ns};
}

std::string Rack::logs() const {
  std::string all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder(), ignored))
    if (entry.path().extension() == ".log")
      all += "--- " + entry.path().filename().string() + "\n" + support::slurp(entry.path());
  return all;
}

}  // namespace gnomon::bed
