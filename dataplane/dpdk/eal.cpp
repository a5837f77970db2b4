// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/eal.hpp"

#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/log_capture.hpp"

namespace gnomon::dataplane::dpdk {
namespace {

using platform::SystemError;

constexpr std::string_view kTelemetrySocket = "/dpdk_telemetry.v2:99999";  // with what DPDK may put behind it
constexpr const char* kRuntimeVariable = "RUNTIME_DIRECTORY";              // where EAL puts its run-time files

std::uint64_t number_in(const std::filesystem::path& file) {
  std::uint64_t value = 0;
  std::ifstream(file) >> value;
  return value;
}

std::uint64_t free_huge_page_mb() {
  std::uint64_t kb = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", none)) {
    const std::string name = entry.path().filename().string();  // hugepages-2048kB
    const std::size_t dash = name.find('-');
    if (dash == std::string::npos) continue;
    kb += number_in(entry.path() / "free_hugepages") * std::strtoull(name.c_str() + dash + 1, nullptr, 10);
  }
  return kb / 1024;
}

std::set<int> allowed_cpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::set<int> out;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return out;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &mask)) out.insert(cpu);
  return out;
}

// Asked of the kernel, because an isolated CPU (isolcpus) is in nobody's inherited mask and still to be had.
bool may_run_on(int cpu) {
  cpu_set_t before;
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof before, &before) != 0) return false;
  CPU_SET(static_cast<std::size_t>(cpu), &wanted);
  const bool may = sched_setaffinity(0, sizeof wanted, &wanted) == 0;
  (void)sched_setaffinity(0, sizeof before, &before);
  return may;
}

std::string cpu_list(const std::set<int>& cpus) {
  std::string out = "(";
  for (const int cpu : cpus)
    out += (out.size() == 1 ? "" : ",") + std::to_string(cpu);
  return out + ")";
}

// "--lcores=0@(0,1),1@(2),2@(3)"
std::string lcore_map(const PortOptions& options, std::vector<std::string>& remarks) {
  const std::set<int> allowed = allowed_cpus();
  std::set<int> main = allowed;
  std::string workers;
  for (unsigned i = 0; i < options.workers; ++i) {
    std::set<int> cpus = allowed;
    if (i < options.cpus.size() && may_run_on(options.cpus[i])) {
      cpus = {options.cpus[i]};
      main.erase(options.cpus[i]);
    } else if (i < options.cpus.size()) {
      remarks.push_back("worker " + std::to_string(i) + " could not be pinned to CPU " +
                        std::to_string(options.cpus[i]) +
                        ": it is offline, absent, or not allowed to this process (cpuset); the worker runs unpinned");
    }
    workers += "," + std::to_string(i + 1) + "@" + cpu_list(cpus);
  }
  return "--lcores=0@" + cpu_list(main.empty() ? allowed : main) + workers;
}

// Sets a variable for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    if (const char* old = std::getenv(name); old != nullptr) old_ = old;
    (void)::setenv(name, value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
  }
  ~Variable() {
    if (old_)
      (void)::setenv(name_, old_->c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    else
      (void)::unsetenv(name_);  // NOLINT(concurrency-mt-unsafe)
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

tl::expected<bool, SystemError> choose_huge_pages(const PortOptions& options, std::vector<std::string>& remarks) {
  if (options.memory == PortMemory::kOrdinary) return false;
  const std::uint64_t free_mb = free_huge_page_mb();
  if (free_mb >= options.memory_mb) return true;
  const std::string facts = std::to_string(options.memory_mb) + " MB of huge pages are wanted (dpdk.memory_mb) and " +
                            std::to_string(free_mb) + " MB are free";
  const std::string remedy =
      "reserve them with 'sysctl vm.nr_hugepages=" + std::to_string((options.memory_mb + 1) / 2) + "' (of 2 MB each)";
  if (options.memory == PortMemory::kHugePages)
    return tl::make_unexpected(SystemError{ENOMEM, "cannot start DPDK: " + facts + "; " + remedy +
                                                       ", or allow ordinary memory with dpdk.memory = \"auto\""});
  remarks.push_back(facts + ": ordinary memory is used, which network cards reached through an IOMMU can do without " +
                    "and others can't; " + remedy + ", or say dpdk.memory = \"no-huge\"");
  return false;
}

}  // namespace

tl::expected<std::unique_ptr<Eal>, SystemError> Eal::start(const PortOptions& options) {
  std::unique_ptr<Eal> eal(new Eal);
  const auto huge_pages = choose_huge_pages(options, eal->remarks_);
  if (!huge_pages) return tl::make_unexpected(huge_pages.error());
  eal->huge_pages_ = *huge_pages;

  const std::string prefix = "gnomon-" + options.instance;
  eal->run_time_files_ = options.runtime_dir + "/dpdk/" + prefix;
  std::vector<std::string>& words = eal->words_;
  words = {"gnomond", "--file-prefix=" + prefix, lcore_map(options, eal->remarks_), "-m",
           std::to_string(options.memory_mb)};
  if (eal->huge_pages_)
    words.emplace_back("--in-memory");
  else
    words.insert(words.end(), {"--no-huge", "--no-shconf"});
  if (eal->run_time_files_.size() + kTelemetrySocket.size() >= sizeof(sockaddr_un::sun_path)) {
    words.emplace_back("--no-telemetry");
    eal->remarks_.push_back("DPDK's telemetry is off: the path of its socket would be too long below " +
                            options.runtime_dir + "; use a shorter runtime directory (XDG_RUNTIME_DIR)");
  }
  const std::size_t before = words.size();
  for (const std::string& text : options.devices)
    if (const Device device = parse_device(text); device.is_pci) words.insert(words.end(), {"-a", text});
  if (words.size() == before) words.emplace_back("--no-pci");
  words.insert(words.end(), options.eal_arguments.begin(), options.eal_arguments.end());
  for (std::string& word : words)
    eal->arguments_.push_back(word.data());
  eal->arguments_.push_back(nullptr);

  eal->log_ = std::make_unique<LogCapture>(options.on_log);
  const Variable runtime(kRuntimeVariable, options.runtime_dir);
  if (rte_eal_init(static_cast<int>(words.size()), eal->arguments_.data()) < 0) {
    const int code = rte_errno;
    std::string line;
    for (std::size_t i = 1; i < words.size(); ++i)
      line += " " + words[i];
    return tl::make_unexpected(SystemError{
        code, platform::system_error("start DPDK with" + line, code).text + eal->logged() +
                  "; check dpdk.memory, dpdk.memory_mb, dpdk.eal_args and the permissions on " + options.runtime_dir});
  }
  eal->said_at_start_ = eal->logged();
  unsigned lcore = 0;
  RTE_LCORE_FOREACH_WORKER(lcore) { eal->lcores_.push_back(lcore); }
  if (eal->lcores_.size() < options.workers)
    return tl::make_unexpected(SystemError{EINVAL, "cannot start DPDK: it has " + std::to_string(eal->lcores_.size()) +
                                                       " lcores for " + std::to_string(options.workers) +
                                                       " workers; take what changes its lcores out of dpdk.eal_args"});
  return eal;
}

void Eal::leave_cpus(const PortOptions& options, unsigned workers) {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return;
  for (std::size_t i = workers; i < options.cpus.size(); ++i)
    if (may_run_on(options.cpus[i])) CPU_SET(static_cast<std::size_t>(options.cpus[i]), &mask);
  (void)sched_setaffinity(0, sizeof mask, &mask);
}

// An alarm goes off on the interrupt thread; the second one not before the round of events that the first was part of
// is over.
void await_interrupt_thread() {
  constexpr int kRounds = 2;
  constexpr int kWaits = 1000;
  const auto note = [](void* flag) { static_cast<std::atomic<bool>*>(flag)->store(true, std::memory_order_release); };
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<bool> over{false};
    if (rte_eal_alarm_set(1, note, &over) != 0) return;
    for (int i = 0; i < kWaits && !over.load(std::memory_order_acquire); ++i)  // pairs with `note`
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    (void)rte_eal_alarm_cancel(note, &over);  // returns once it does not run any more
  }
}

// rte_eal_cleanup is not called: it takes the memory from under threads that go on, EAL's interrupt thread among them,
// where a closed memif server stays registered (measured: one stop out of ten ended in a segmentation fault). What it
// would give back goes with the process: memory that has no files, and devices that were closed with their ports.
Eal::~Eal() {
  log_.reset();
  std::error_code none;
  std::filesystem::remove_all(run_time_files_, none);
  std::filesystem::remove(std::filesystem::path(run_time_files_).parent_path(), none);  // unless somebody else is there
}

void Eal::forget_log() { log_->forget(); }

std::string Eal::logged() const {
  const std::string said = log_->recent();
  return said.empty() ? std::string() : "; DPDK says: " + said;
}

}  // namespace gnomon::dataplane::dpdk
