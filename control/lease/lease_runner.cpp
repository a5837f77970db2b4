// SPDX-License-Identifier: Apache-2.0
#include "control/lease/lease_runner.hpp"

#include <cassert>
#include <utility>

#include "control/lease/lease_runner_impl.hpp"
#include "platform/random.hpp"

namespace gnomon::control {
namespace {

// Of what the watch told, unseen by the desk: then the watch waits.
constexpr std::size_t kMostHeard = 64;

DeskError overloaded(std::size_t calls) {
  return {DeskFault::kOverloaded,
          "this daemon works on " + std::to_string(calls) +
              " lease calls already, as many as it takes; ask again, less "
              "often, or ask another daemon",
          time::milliseconds(100)};
}

}  // namespace

DeskError runner_is_ending() {
  return {DeskFault::kStoreUnavailable, "this daemon is ending: ask another one, or this one again when it is back",
          time::seconds(1)};
}
DeskError runner_has_failed(const std::string& why) {
  return {DeskFault::kStoreFailed, "the store of this daemon failed, which ends it: " + why, {}};
}

LeaseRunner::Impl::Impl(LeaseRunnerOptions options, LeaseRunnerHooks hooks, std::vector<std::unique_ptr<Store>> owned,
                        const std::vector<Store*>& stores, Store& heard)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      owned_(std::move(owned)),
      desk_(options_.desk, platform::random_value<Nonce>()),
      watchers_(options_.most_watchers, options_.most_news, options_.longest_stall),
      crew_(
          stores, options_.most_store_tasks, [this] { return hooks_.clock().uptime; },
          [this](DeskEvent event) { post(std::move(event)); }),
      listener_(heard, {.hear = [this](Changes changes) { hear(std::move(changes)); },
                        .trouble = [this](const StoreError& error) { trouble(error); }}),
      thread_([this] { run(); }) {}

/// Why no call is taken; nothing: it is.
std::optional<DeskError> LeaseRunner::Impl::objection(const Command& command) const {
  if (ending_) return runner_is_ending();
  if (failed_) return runner_has_failed(*failed_);
  if (open_.size() >= most_calls_with(command, options_.desk)) return overloaded(open_.size());
  return std::nullopt;
}

CallId LeaseRunner::Impl::submit(Call call, Done done) {
  std::unique_lock lock(mutex_);
  ++counters_.submitted;
  if (std::optional<DeskError> no = objection(call.command)) {
    ++counters_.refused;
    lock.unlock();
    done(tl::make_unexpected(std::move(*no)));
    return {};
  }
  const CallId id{++last_id_};
  call.id = id;
  open_.emplace(id.value, std::move(done));
  inbox_.emplace_back(desk_event::Asked{std::move(call)});
  lock.unlock();
  grown_.notify_one();
  return id;
}

void LeaseRunner::Impl::cancel(CallId call) {
  {
    const std::lock_guard lock(mutex_);
    if (open_.erase(call.value) == 0) return;
    ++counters_.cancelled;
    inbox_.emplace_back(desk_event::Gone{call});
  }
  grown_.notify_one();
}

tl::expected<std::shared_ptr<LeaseSubscription>, DeskError> LeaseRunner::Impl::subscribe(
    std::string prefix, std::function<void()> on_news) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return tl::make_unexpected(runner_is_ending());
    if (failed_) return tl::make_unexpected(runner_has_failed(*failed_));
  }
  auto made = watchers_.add(std::move(prefix), std::move(on_news), [this] { nudge(); });
  if (made == nullptr)
    return tl::make_unexpected(
        DeskError{DeskFault::kOverloaded,
                  "this daemon has " + std::to_string(options_.most_watchers) +
                      " watches of leases already, as many as it takes; end some, or ask another daemon",
                  time::seconds(1)});
  nudge();
  return made;
}

void LeaseRunner::Impl::on_serving(std::function<void(bool)> told) {
  const std::lock_guard lock(serving_mutex_);
  on_serving_ = std::move(told);
  if (on_serving_) on_serving_(is_serving());
}

LeaseRunnerCounters LeaseRunner::Impl::counters() const {
  LeaseRunnerCounters out;
  {
    const std::lock_guard lock(mutex_);
    out = counters_;
    out.open = open_.size();
  }
  out.watchers = watchers_.count();
  out.store_tasks = crew_.size();
  return out;
}

void LeaseRunner::Impl::stop() {
  const std::lock_guard once(stop_mutex_);
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  grown_.notify_all();
  shrunk_.notify_all();
  if (thread_.joinable()) thread_.join();
  listener_.stop();
  crew_.stop();
}

void LeaseRunner::Impl::post(DeskEvent event) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    inbox_.push_back(std::move(event));
  }
  grown_.notify_one();
}
void LeaseRunner::Impl::nudge() {
  {
    const std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  grown_.notify_one();
}
void LeaseRunner::Impl::hear(Changes changes) {
  {
    std::unique_lock lock(mutex_);
    shrunk_.wait(lock, [this] { return ending_ || heard_ < kMostHeard; });
    if (ending_) return;
    ++heard_;
    inbox_.emplace_back(desk_event::Heard{std::move(changes), true});
  }
  grown_.notify_one();
}
void LeaseRunner::Impl::trouble(const StoreError& error) {
  if (error.kind != StoreErrorKind::kFatal) {
    if (hooks_.on_warning) hooks_.on_warning("leases can't be followed in the store for the moment: " + error.text);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (!fatal_) fatal_ = error.text;
  }
  grown_.notify_one();
}

tl::expected<std::unique_ptr<LeaseRunner>, std::string> LeaseRunner::start(LeaseRunnerOptions options,
                                                                           const StoreFactory& stores,
                                                                           LeaseRunnerHooks hooks) {
  assert(hooks.clock && options.store_threads > 0);
  std::vector<std::unique_ptr<Store>> owned;
  std::vector<Store*> crew;
  for (std::size_t i = 0; i <= options.store_threads; ++i) {
    owned.push_back(stores());
    if (owned.back() == nullptr)
      return tl::make_unexpected("connection number " + std::to_string(i + 1) +
                                 " to the store could not be made for the leases; see what was logged before");
    if (i > 0) crew.push_back(owned.back().get());
  }
  Store& heard = *owned.front();
  return std::unique_ptr<LeaseRunner>(
      new LeaseRunner(std::make_unique<Impl>(std::move(options), std::move(hooks), std::move(owned), crew, heard)));
}

std::unique_ptr<LeaseRunner> LeaseRunner::start(LeaseRunnerOptions options, OrderedStore& store,
                                                LeaseRunnerHooks hooks) {
  assert(hooks.clock && options.store_threads > 0);
  const std::vector<Store*> crew(options.store_threads, &store);
  return std::unique_ptr<LeaseRunner>(new LeaseRunner(std::make_unique<Impl>(
      std::move(options), std::move(hooks), std::vector<std::unique_ptr<Store>>(), crew, store)));
}

LeaseRunner::LeaseRunner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LeaseRunner::~LeaseRunner() = default;
CallId LeaseRunner::submit(Call call, Done done) { return impl_->submit(std::move(call), std::move(done)); }
void LeaseRunner::cancel(CallId call) { impl_->cancel(call); }
tl::expected<std::shared_ptr<LeaseSubscription>, DeskError> LeaseRunner::subscribe(std::string prefix,
                                                                                   std::function<void()> on_news) {
  return impl_->subscribe(std::move(prefix), std::move(on_news));
}
bool LeaseRunner::is_serving() const { return impl_->is_serving(); }
void LeaseRunner::on_serving(std::function<void(bool)> told) { impl_->on_serving(std::move(told)); }
LeaseRunnerCounters LeaseRunner::counters() const { return impl_->counters(); }
void LeaseRunner::stop() { impl_->stop(); }

}  // namespace gnomon::control
