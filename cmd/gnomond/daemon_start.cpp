// SPDX-License-Identifier: Apache-2.0
//
// The start, top to bottom. Whatever fails ends it with a sentence; what was opened before closes by itself.
#include <fmt/core.h>
#include <sys/mman.h>

#include <csignal>
#include <utility>

#include "cmd/gnomond/access.hpp"
#include "cmd/gnomond/assembly.hpp"
#include "cmd/gnomond/clock_assembly.hpp"
#include "cmd/gnomond/daemon.hpp"
#include "cmd/gnomond/log.hpp"
#include "cmd/gnomond/notify.hpp"
#include "cmd/gnomond/page_lock.hpp"
#include "cmd/gnomond/ready.hpp"
#include "cmd/options/directories.hpp"
#include "control/agent/hold_against.hpp"
#include "control/estate.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/random.hpp"
#include "platform/system_error.hpp"
#include "platform/uptime.hpp"
#include "platform/version.hpp"
#include "ptp/processes.hpp"

namespace gnomon::cmd {
namespace {

// A store that several hosts share may start after them.
constexpr std::chrono::seconds kStoreTakes{30};
constexpr time::Duration kReadingTakes = time::seconds(5);  // for a tool that looks into the store
constexpr mode_t kOwnerOnly = 0600;
constexpr mode_t kOwnerAndGroup = 0660;

Or<void> lock_memory() {
  // On fault: pages are locked when they are touched, so the unused parts of the threads' stacks cost nothing.
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return {};
  return refused(platform::system_error("lock the memory (workers.lock_memory)").text +
                 "; raise LimitMEMLOCK of the unit, or turn the option off");
}

bool stop_is_pending() {
  sigset_t pending{};
  return ::sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

}  // namespace

Daemon::Daemon(DaemonArguments arguments, std::function<void()> ready)
    : arguments_(std::move(arguments)),
      ready_(std::move(ready)),
      incarnation_(platform::random_value<control::Nonce>()),
      page_incarnation_(control::page_incarnation(incarnation_)),
      started_(platform::read_uptime()),
      watchdog_interval_(watchdog_interval()) {}

/// The agent's thread may ask for a report until it ends, and it ends after the leases.
Daemon::~Daemon() {
  if (reporter_) reporter_->watch_leases({});
}

Or<void> Daemon::start() {
  log_info("gnomond {} starts as instance {}", platform::kVersion, settings().server.instance);
  if (settings().workers.lock_memory)
    if (auto locked = lock_memory(); !locked) return locked;
  if (auto done = take_locks(); !done) return done;
  if (auto done = open_ports(); !done) return done;
  if (auto done = open_state(); !done) return done;
  if (auto done = open_pages_and_clock(); !done) return done;
  if (auto done = open_workers(); !done) return done;
  if (auto done = start_agent(); !done) return done;
  if (auto done = start_leases(); !done) return done;
  return start_services();
}

Or<void> Daemon::take_locks() {
  const std::string runtime = runtime_directory();
  if (const auto prepared = prepare_private_directory(runtime, "the runtime directory"); !prepared)
    return refused(prepared.error());
  const std::string& instance = settings().server.instance;
  for (const std::string& path : {fmt::format("{}/{}.lock", runtime, instance), page_lock_path(instance)}) {
    auto lock = InstanceLock::take(path, instance);
    if (!lock) return tl::make_unexpected(lock.error());
    locks_.push_back(std::move(*lock));
  }
  socket_path_ = socket_path(settings());
  return {};
}

Settings Daemon::shape() const {
  Settings out = settings();
  out.workers.count = worker_count_;
  if (!out.workers.cpus.empty()) out.workers.cpus.resize(static_cast<std::size_t>(worker_count_));
  return out;
}

// Before anything starts a thread (dataplane/ports.hpp), and before the pages, of which each worker has one.
Or<void> Daemon::open_ports() {
  worker_count_ = settings().workers.count;
  if (settings().dpdk.devices.empty()) return {};
  auto ports = dataplane::Ports::open(port_options(settings(), runtime_directory()));
  if (!ports) return refused(ports.error().text);
  ports_ = std::move(*ports);
  data_plane_ = ports_->description();
  log_info("answers leave through {}", data_plane_);
  for (const std::string& remark : ports_->remarks())
    log_warn("{}", remark);
  if (ports_->workers() == worker_count_) return {};
  if (!settings().ids.pinned.empty())
    return refused(
        fmt::format("ids.pinned lists the machine ids of {} workers, and the devices have queues for {} only: "
                    "set workers.count = {} and list ids for that many",
                    worker_count_, ports_->workers(), ports_->workers()));
  worker_count_ = ports_->workers();
  return {};
}

Or<void> Daemon::open_state() {
  const auto directory = state_directory(settings());
  if (!directory) return refused(directory.error());
  state_dir_ = *directory;
  if (const auto prepared = prepare_private_directory(state_dir_, "the state directory"); !prepared)
    return refused(prepared.error());
  const auto waiting = [](const std::string& news) {
    if (!news.empty()) log_warn("{}; trying again", news);
    return !stop_is_pending();
  };
  auto keep = Keep::open(settings(), state_dir_, kStoreTakes, waiting);
  if (!keep) return tl::make_unexpected(keep.error());
  keep_ = std::make_unique<Keep>(std::move(*keep));
  log_info("{} store {}, epoch {}", keep_->created() ? "made a new" : "opened the", keep_->url(),
           keep_->meta().identity.epoch);

  auto served = served_layouts(settings());
  if (!served) return refused(served.error());
  std::vector<id::Layout> custom;
  for (const id::Layout& layout : *served)
    if (layout.number.value >= id::kFirstCustomLayout) custom.push_back(layout);
  if (auto kept = keep_->ensure_layouts(custom, kStoreTakes, waiting); !kept) return kept;
  layouts_ = std::move(*served);
  return {};
}

Or<void> Daemon::open_pages_and_clock() {
  const auto left = read_left_clock(settings().server.instance);
  auto pages = Pages::create(settings().server.instance, static_cast<std::uint32_t>(worker_count_), page_incarnation_);
  if (!pages) return tl::make_unexpected(pages.error());
  pages_ = std::make_unique<Pages>(std::move(*pages));
  std::string leap_warning;
  const time::LeapTable leaps = leap_table(settings(), leap_warning);
  if (!leap_warning.empty()) log_warn("{}", leap_warning);
  auto sources = clock_sources(settings(), runtime_directory());
  if (!sources) return tl::make_unexpected(sources.error());
  clock_ =
      std::make_unique<ptp::ClockThread>(clock_options(settings(), leaps, left), std::move(*sources), pages_->clock());
  clock_->note_phc2sys(ptp::process_runs("phc2sys"));
  if (const auto running = clock_->start(); !running) return refused(running.error().text);
  log_info("the time is told by: {}", clock_->describe_sources());
  report_clock();

  page::ClockRecord record;
  std::uint64_t version = 0;
  if (!pages_->clock().record.try_read(record, version)) return refused("the clock thread has published no time");
  const auto warnings = check_headroom(layouts_, record.ordering.line.at(platform::read_cycles()));
  if (!warnings) return tl::make_unexpected(warnings.error());
  for (const std::string& warning : *warnings)
    log_warn("{}", warning);
  return {};
}

Or<void> Daemon::open_workers() {
  std::vector<std::string> skipped;
  auto listen = listen_endpoints(arguments_.configuration, skipped);
  for (const std::string& text : skipped)
    log_info("this host has no IPv6; the default {} is left out", text);
  auto access = access_policy(settings());
  if (!access) return tl::make_unexpected(Failure{ExitCode::kUsage, access.error()});
  access->version = policy_version_;
  auto policy = std::make_shared<const serve::AccessPolicy>(std::move(*access));
  const auto options = pool_options(shape(), layouts_, std::move(listen), page_incarnation_);
  const auto pages = pages_->worker_pointers();
  if (ports_) {
    auto pool =
        dataplane::Ports::make_pool(std::move(ports_), options, pages_->clock(), pages_->rights(), pages, policy);
    if (!pool) return refused(pool.error().text);
    workers_ = std::move(*pool);
  } else {
    auto pool = dataplane::KernelPool::open(options, pages_->clock(), pages_->rights(), pages, policy);
    if (!pool) return refused(pool.error().text);
    workers_ = std::move(*pool);
  }
  if (const auto running = workers_->start(); !running) return refused(running.error().text);
  for (const dataplane::PoolWarning& warning : workers_->warnings())
    log_warn("{}", warning.text);
  return {};
}

Or<void> Daemon::start_agent() {
  auto options = agent_options(shape(), layouts_, keep_->meta().facts, incarnation_);
  options.exclusive_store = keep_->exclusive();
  control::hold_against(keep_->journal().content(), options);
  if (const std::string fault = control::fault_of(options); !fault.empty())
    return tl::make_unexpected(Failure{ExitCode::kUsage, fault});
  std::vector<const page::WorkerPage*> workers;
  workers.reserve(pages_->workers());
  for (std::size_t i = 0; i < pages_->workers(); ++i)
    workers.push_back(&pages_->worker(i));
  reporter_ = std::make_unique<Reporter>(
      *pages_, [this] { return agent_ ? agent_->view() : control::AgentView{}; },
      [this] { return clock_->last_failure(); }, [this] { return workers_->ports(); });
  reporter_->watch_clock([this] { return clock_->status(); }, settings().rights.lead_policy);
  control::AgentHooks hooks{
      .start_new_era = [this] { clock_->request_new_era(); },
      .on_note = [this](const control::effect::Note& note) { on_note(note); },
      .on_warning = [](const std::string& text) { log_warn("{}", text); },
      .seal_store = [this](const std::string& why) { seal_store(why); },
      .on_failed = [this](const std::string& text) { note_failure(text); },
  };
  agent_ = std::make_unique<control::AgentThread>(control::AgentWiring{.agent = options,
                                                                       .store = keep_->store(),
                                                                       .journal = keep_->journal(),
                                                                       .clock = pages_->clock(),
                                                                       .rights = pages_->rights(),
                                                                       .workers = std::move(workers),
                                                                       .hooks = std::move(hooks),
                                                                       .clone_mark = keep_->clone_mark()});
  agent_->start();
  return {};
}

Or<void> Daemon::start_leases() {
  LeaseHooks hooks{
      .standing = [this] { return agent_->view().standing; },
      .on_failed = [this](const std::string& text) { note_failure("the store of the leases failed: " + text); },
      .on_warning = [](const std::string& text) { log_warn("{}", text); },
  };
  auto leases = Leases::start(settings(), *keep_, pages_->clock(), std::move(hooks));
  if (!leases) return tl::make_unexpected(leases.error());
  leases_ = std::move(*leases);
  return {};
}

/// On a thread of the agent or of the leases. The first is what the others come from.
void Daemon::note_failure(const std::string& text) {
  const std::lock_guard lock(failure_mutex_);
  if (agent_failure_.empty()) agent_failure_ = text;
}

/// On the agent's thread, as its last act.
void Daemon::seal_store(const std::string& why) {
  const auto sealed = control::seal_store(keep_->store(), keep_->meta().identity, why);
  if (!sealed)
    log_error("the store could not be sealed, so other daemons may go on using it; stop them: {}", sealed.error().text);
  else if (*sealed == control::SealOutcome::kSealed)
    log_error("the store was sealed: no daemon uses it until `gnomon control recover` was run");
}

Or<void> Daemon::start_services() {
  const bool group = settings().control.socket_mode == "group";
  auto status = control::StatusServer::start(
      socket_path_, group ? kOwnerAndGroup : kOwnerOnly, [this] { return reporter_->report(); },
      [this](std::string_view prefix) { return agent_->list(std::string(prefix), kReadingTakes); },
      {&leases_->guest()});
  if (!status) return refused(status.error());
  status_ = std::move(*status);
  if (auto done = leases_->listen(settings()); !done) return done;
  if (const std::string at = leases_->listens_on(); !at.empty())
    log_info("leases are served on {}, with mutual TLS", at);
  reporter_->watch_leases([this] { return leases_->report(); });
  if (!settings().metrics.listen.empty()) {
    auto metrics = MetricsEndpoint::start(settings().metrics.listen, [this] { return reporter_->report(); });
    if (!metrics) return refused(metrics.error());
    metrics_ = std::move(*metrics);
  }
  DaemonFacts facts{.instance = settings().server.instance,
                    .incarnation = page_incarnation_,
                    .started = started_,
                    .listen = {},
                    .data_plane = data_plane_,
                    .metrics_listen = metrics_ ? metrics_->bound() : std::string(),
                    .state_dir = state_dir_,
                    .store_url = keep_->url(),
                    .clock_source = clock_->describe_sources(),
                    .store_epoch = keep_->meta().identity.epoch,
                    .layouts = layouts_};
  for (const platform::Endpoint& endpoint : workers_->bound())
    facts.listen.push_back(platform::to_string(endpoint));
  reporter_->set_facts(std::move(facts));
  reporter_->reload_done(policy_version_);
  return {};
}

Or<void> Daemon::announce() {
  const control::StatusReport report = reporter_->report();
  const ReadyNews news{.instance = report.daemon.instance,
                       .listen = report.daemon.listen,
                       .metrics = report.daemon.metrics_listen,
                       .socket = socket_path_};
  print_ready_line(news);
  if (auto written = write_ready_file(arguments_.ready_file, news); !written) return written;
  notify_ready(summary());
  announced_ = true;
  if (ready_) ready_();
  return {};
}

}  // namespace gnomon::cmd
