// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/supervisor/supervised_daemon.hpp"

#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

#include "cmd/gnomond/keep.hpp"
#include "cmd/gnomond/log.hpp"
#include "cmd/gnomond/notify.hpp"
#include "cmd/gnomond/supervisor/supervisor.hpp"
#include "cmd/options/directories.hpp"
#include "cmd/options/etcd_settings.hpp"

namespace gnomon::cmd::supervisor {
namespace {

constexpr std::chrono::seconds kStorePatience{5};  // some of kExecutorLimit is for the commit

/// The configuration as it stands now, if it is in order.
void read_again(DaemonArguments& arguments) {
  const auto sources = gather(arguments.config_file, arguments.flags);
  auto fresh = sources ? resolve(*sources) : tl::make_unexpected(sources.error());
  if (!fresh) {
    for (const std::string& problem : fresh.error())
      log_error("the next daemon starts with the configuration of the one before: {}", problem);
    return;
  }
  // The name is this process's own: locks, pages and sockets of another one would be another daemon's.
  fresh->settings.server.instance = arguments.configuration.settings.server.instance;
  arguments.configuration = std::move(*fresh);
}

Or<OpenStore> open_store(const Settings& settings) {
  const auto directory = state_directory(settings);
  if (!directory) return refused(directory.error());
  const std::string database = database_path(settings, *directory);
  if (!is_etcd(settings) && ::access(database.c_str(), F_OK) != 0)
    return refused("the database " + database + " that the dead daemon used is not there any more");
  auto opened = Keep::open(settings, *directory, kStorePatience, [](const std::string&) { return true; });
  if (!opened) return tl::make_unexpected(opened.error());
  const auto keep = std::make_shared<Keep>(std::move(*opened));
  return OpenStore{.store = &keep->store(),
                   .journal = &keep->journal(),
                   .facts = keep->meta().facts,
                   .exclusive = keep->exclusive(),
                   .owner = keep};
}

}  // namespace

StoreOpener store_of(const Settings& settings) {
  return [settings] { return open_store(settings); };
}

ExitCode run_supervised(DaemonArguments arguments, const DaemonRun& run, const OpenerOf& opener_of) {
  const Hooks hooks{
      .before_restart = [&] { read_again(arguments); },
      .daemon = [&](const std::function<void()>& ready) { return status_of(run(arguments, ready)); },
      .executor =
          [&](const DeadDaemon& dead) {
            const Settings& settings = arguments.configuration.settings;  // of the one that died
            return status_of(give_back(settings.server.instance, dead, opener_of(settings)));
          },
      .feed_watchdog = notify_watchdog,
  };
  const auto code = supervise(hooks, watchdog_interval());
  if (code) return static_cast<ExitCode>(*code);
  log_error("{}", code.error().text);
  return code.error().code;
}

}  // namespace gnomon::cmd::supervisor
