// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/keep.hpp"

#include <thread>
#include <utility>

#include "cmd/options/directories.hpp"
#include "cmd/options/etcd_settings.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::chrono::milliseconds kTryAgainAfter{250};

std::string who_opens(const Settings& settings) { return "gnomond instance " + settings.server.instance; }

// Attempts until one succeeds, or fails for another reason than that the store is out of reach.
template <typename Attempt>
auto patiently(std::chrono::milliseconds patience, const std::function<bool(const std::string&)>& waiting,
               const Attempt& attempt) -> Or<typename decltype(attempt())::value_type> {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (std::string told;;) {
    auto done = attempt();
    if (done) return std::move(*done);
    const control::StateError& error = done.error();
    if (error.kind != control::StateErrorKind::kUnreachable) return refused(error.text);
    if (std::chrono::steady_clock::now() >= until)
      return tl::make_unexpected(Failure{ExitCode::kUnreachable, error.text});
    const bool news = std::exchange(told, error.text) != error.text;
    if (!waiting(news ? error.text : std::string()))
      return tl::make_unexpected(Failure{ExitCode::kOk, "asked to stop while the store was out of reach"});
    std::this_thread::sleep_for(kTryAgainAfter);
  }
}

}  // namespace

Or<Keep> Keep::open(const Settings& settings, const std::string& state_dir, std::chrono::milliseconds patience,
                    const std::function<bool(const std::string&)>& waiting) {
  return is_etcd(settings) ? open_shared(settings, state_dir, patience, waiting) : open_local(settings, state_dir);
}

control::Store& Keep::store() {
  if (ordered_) return *ordered_;
  return *etcd_;
}

Or<Keep> Keep::open_local(const Settings& settings, const std::string& state_dir) {
  const auto paths = control::StatePaths::of(database_path(settings, state_dir));
  auto state = control::open_state(paths, who_opens(settings));
  if (!state) return refused(state.error().text);
  Keep keep;
  keep.local_ = std::make_unique<control::State>(std::move(*state));
  keep.ordered_ = std::make_unique<control::OrderedStore>(*keep.local_->store);
  keep.url_ = "sqlite:" + paths.database;
  keep.clone_mark_ = paths.cloned;
  return keep;
}

Or<Keep> Keep::open_shared(const Settings& settings, const std::string& state_dir, std::chrono::milliseconds patience,
                           const std::function<bool(const std::string&)>& waiting) {
  auto options = etcd_options(settings);
  if (!options) return tl::make_unexpected(Failure{ExitCode::kUsage, options.error()});
  auto etcd = control::EtcdStore::open(std::move(*options));
  if (!etcd) return tl::make_unexpected(Failure{ExitCode::kUsage, etcd.error().text});
  Keep keep;
  keep.etcd_ = std::move(*etcd);
  keep.url_ = settings.store.url;
  const auto paths = control::SharedPaths::of(state_dir, settings.server.instance);
  auto state =
      patiently(patience, waiting, [&] { return control::open_shared(*keep.etcd_, paths, who_opens(settings)); });
  if (!state) return tl::make_unexpected(state.error());
  keep.shared_ = std::make_unique<control::SharedState>(std::move(*state));
  return keep;
}

Or<void> Keep::ensure_layouts(std::span<const id::Layout> wanted, std::chrono::milliseconds patience,
                              const std::function<bool(const std::string&)>& waiting) {
  const auto kept = patiently(patience, waiting, [&] { return control::ensure_layouts(store(), wanted); });
  if (!kept) return tl::make_unexpected(kept.error());
  return {};
}

}  // namespace gnomon::cmd
