// SPDX-License-Identifier: Apache-2.0
#include "control/agent_thread.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "control/clone_guard.hpp"
#include "oracle/serve/burst_time.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/durable_file.hpp"
#include "platform/random.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::control {
namespace {

constexpr int kTickMs = 20;
constexpr int kHandshakeTickMs = 1;
constexpr int kTicksPerBootIdCheck = 50;
// How long the listener waits in the store before it looks whether it has to end.
constexpr time::Duration kListenFor = time::milliseconds(200);
constexpr std::chrono::milliseconds kListenAgainAfter{100};  // after an error
// An answer may lead to the next effect, and so on; the agent needs three in a row at most.
constexpr int kMaxAnswersPerTick = 64;

}  // namespace

class AgentThread::Loop {
 public:
  explicit Loop(AgentWiring wiring)
      : wiring_(std::move(wiring)),
        agent_(wiring_.agent),
        clock_(wiring_.clock),
        acknowledged_(wiring_.workers.size()),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        view_(agent_.view()) {
    assert(wiring_.workers.size() == wiring_.agent.workers);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    abandon_.store(true, std::memory_order_relaxed);
    wake();
    if (thread_.joinable()) thread_.join();
    if (listener_.joinable()) listener_.join();
  }

  void start() {
    thread_ = std::thread([this] { run(); });
    if (!wiring_.agent.exclusive_store) listener_ = std::thread([this] { listen(); });
  }
  void request_stop() {
    stop_.store(true, std::memory_order_relaxed);
    wake();
  }
  void report_clone() {
    cloned_.store(true, std::memory_order_relaxed);
    wake();
  }
  std::optional<effect::Stopped> wait_stopped(time::Duration timeout) {
    std::unique_lock lock(mutex_);
    stopped_changed_.wait_for(lock, std::chrono::nanoseconds(timeout.ns), [this] { return stopped_.has_value(); });
    return stopped_;
  }
  std::uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }
  AgentView view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  tl::expected<Listing, StoreError> list(std::string prefix, time::Duration timeout) {
    const auto question = std::make_shared<Question>();
    question->prefix = std::move(prefix);
    auto answer = question->answer.get_future();
    {
      const std::lock_guard lock(mutex_);
      questions_.push_back(question);
    }
    wake();
    if (answer.wait_for(std::chrono::nanoseconds(timeout.ns)) == std::future_status::ready) return answer.get();
    question->abandoned.store(true, std::memory_order_relaxed);
    return tl::make_unexpected(StoreError{StoreErrorKind::kUnavailable,
                                          "the store was not read in time: the daemon is waiting for it, or ending"});
  }

 private:
  /// Somebody of another thread wants to know what the store holds.
  struct Question {
    std::string prefix;
    std::promise<tl::expected<Listing, StoreError>> answer;
    std::atomic<bool> abandoned{false};  // nobody waits any more; no order hangs on it
  };

  void run() {
    open_clone_guard();
    boot_id_ = read_boot_id();
    bool stop_told = false;
    while (!abandon_.load(std::memory_order_relaxed) && !ended_) {
      turns_.fetch_add(1, std::memory_order_relaxed);
      // Before the tick, which may lead to calls of the store: nothing is waited for or extended once a copy is known.
      if (cloned_.exchange(false, std::memory_order_relaxed) || boot_id_changed()) feed(event::CloneDetected{});
      feed(tick());
      report_acknowledgements();
      if (!stop_told && stop_.load(std::memory_order_relaxed)) {
        stop_told = true;
        feed(event::StopRequested{});
      }
      if (asked_.exchange(false, std::memory_order_relaxed)) feed(event::SessionsAsk{});
      answer_questions();
      publish_view();
      if (!ended_) wait();
    }
  }

  void answer_questions() {
    std::deque<std::shared_ptr<Question>> questions;
    {
      const std::lock_guard lock(mutex_);
      questions.swap(questions_);
    }
    for (const auto& question : questions)
      if (!question->abandoned.load(std::memory_order_relaxed))
        question->answer.set_value(wiring_.store.list(question->prefix));
  }

  void listen() {
    std::unique_ptr<Watch> watch;
    while (!abandon_.load(std::memory_order_relaxed)) {
      const std::uint64_t listed_at = listed_at_.load(std::memory_order_relaxed);
      if (!watch && listed_at != 0) watch = wiring_.store.watch(lease::kSessionPrefix, {listed_at});
      const tl::expected<Changes, StoreError> heard =
          watch ? watch->next(kListenFor) : tl::make_unexpected(StoreError{});
      if (!heard) {
        std::this_thread::sleep_for(kListenAgainAfter);
        continue;
      }
      const bool asked = std::any_of(heard->changes.begin(), heard->changes.end(), [this](const Change& change) {
        return Membership::asks(change, wiring_.agent.incarnation);
      });
      if (!asked) continue;
      asked_.store(true, std::memory_order_relaxed);
      wake();
    }
  }

  event::Tick tick() {
    const serve::BurstTime now = clock_.at(platform::read_cycles());
    return {.now = now.mint.now,
            .ordering = now.ordering,
            .era = now.mint.era,
            .uptime = now.uptime,
            .nonce = platform::random_value<Nonce>(),
            .lead = now.lead,
            .truth = now.truth ? std::optional(*now.truth) : std::nullopt};
  }

  // Feeds one event and everything that follows from it at once.
  void feed(const Event& event) {
    answers_.push_back(event);
    for (int i = 0; i < kMaxAnswersPerTick && !answers_.empty() && !ended_; ++i) {
      const Event next = std::move(answers_.front());
      answers_.pop_front();
      for (const Effect& effect : agent_.step(next))
        std::visit([this](const auto& e) { perform(e); }, effect);
      if (!std::holds_alternative<event::Tick>(next)) answers_.emplace_back(tick());
    }
  }

  // A worker's slots are read after its acknowledgement, acquired: so they are final for every older generation.
  void report_acknowledgements() {
    for (std::uint32_t worker = 0; worker < wiring_.workers.size(); ++worker) {
      const page::WorkerPage& page = *wiring_.workers[worker];
      const mint::Generation generation{page.acknowledged.load(std::memory_order_acquire)};
      if (generation == acknowledged_[worker]) continue;
      acknowledged_[worker] = generation;
      event::Acknowledged acknowledged{{worker}, generation, {}};
      for (const page::SlotUse& slot : page.slots) {
        const mint::Token token{slot.token.load(std::memory_order_relaxed)};
        if (token.value == 0) continue;
        const auto machine = static_cast<std::uint16_t>(slot.machine.load(std::memory_order_relaxed));
        acknowledged.used.push_back({{machine}, token, {slot.used_until_ns.load(std::memory_order_relaxed)}});
      }
      feed(acknowledged);
    }
  }

  void perform(const effect::List& list) {
    auto listing = wiring_.store.list(list.prefix);
    if (listing) listed_at_.store(listing->at.value, std::memory_order_relaxed);
    if (listing)
      answers_.emplace_back(event::Listed{list.operation, std::move(*listing)});
    else
      answers_.emplace_back(event::StoreFailed{list.operation, listing.error()});
  }
  void perform(const effect::Commit& commit) {
    const auto revision = wiring_.store.commit(commit.transaction);
    if (revision)
      answers_.emplace_back(event::Committed{commit.operation, *revision});
    else
      answers_.emplace_back(event::StoreFailed{commit.operation, revision.error()});
  }
  void perform(const effect::SyncJournal& sync) {
    const auto synced = wiring_.journal.merge(sync.highest, sync.rights);
    if (synced)
      answers_.emplace_back(event::JournalSynced{sync.operation});
    else
      answers_.emplace_back(event::StoreFailed{sync.operation, {StoreErrorKind::kFatal, synced.error().text}});
  }
  void perform(const effect::PublishRights& publish) {
    wiring_.rights.workers[publish.worker.value].rights.write(publish.rights);
  }
  // The workers' sets are empty already: a slow disk makes no duplicates.
  void perform(const effect::MarkCloned&) const {
    if (wiring_.clone_mark.empty()) return;
    const auto marked = platform::replace_durably(
        wiring_.clone_mark, "This machine was cloned or restored while gnomond ran; see `gnomon control adopt`.\n");
    if (!marked && wiring_.hooks.on_warning)
      wiring_.hooks.on_warning("after the cloning no mark could be left, so a restart would serve again: " +
                               marked.error().text + "; keep gnomond stopped until `gnomon control adopt` was run");
  }
  void perform(const effect::SealStore& seal) const {
    if (wiring_.hooks.seal_store) wiring_.hooks.seal_store(seal.text);
  }
  void perform(const effect::StartNewEra&) const {
    if (wiring_.hooks.start_new_era) wiring_.hooks.start_new_era();
  }
  void perform(const effect::Note& note) const {
    if (wiring_.hooks.on_note) wiring_.hooks.on_note(note);
  }
  void perform(const effect::Stopped& stopped) {
    ended_ = true;
    publish_view();
    {
      const std::lock_guard lock(mutex_);
      stopped_ = stopped;
    }
    stopped_changed_.notify_all();
    if (stopped.failed && wiring_.hooks.on_failed) wiring_.hooks.on_failed(stopped.text);
  }

  void publish_view() {
    AgentView view = agent_.view();
    revoking_ = view.state == AgentState::kRevoking;
    const std::lock_guard lock(mutex_);
    view_ = std::move(view);
  }

  void open_clone_guard() {
    if (!wiring_.watch_for_clones) return;
    auto guard = CloneGuard::open();
    if (guard)
      guard_.emplace(std::move(*guard));
    else if (wiring_.hooks.on_warning)
      wiring_.hooks.on_warning("clones of this virtual machine will not be noticed: " + guard.error().text);
  }
  bool boot_id_changed() {
    if (!wiring_.watch_for_clones || ++ticks_ % kTicksPerBootIdCheck != 0) return false;
    std::string now = read_boot_id();
    const bool changed = !boot_id_.empty() && !now.empty() && now != boot_id_;
    boot_id_ = std::move(now);
    return changed;
  }

  void wait() {
    std::array<pollfd, 2> fds{pollfd{wake_.get(), POLLIN, 0}, pollfd{guard_ ? guard_->fd() : -1, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), revoking_ ? kHandshakeTickMs : kTickMs) <= 0) return;
    std::uint64_t count = 0;
    if ((fds[0].revents & POLLIN) != 0 && ::read(wake_.get(), &count, sizeof count) < 0) return;
    if (!guard_ || fds[1].revents == 0) return;
    const CloneGuard::Heard heard = guard_->take_events();
    if (heard.cloned) cloned_.store(true, std::memory_order_relaxed);
    if (heard.missed && wiring_.hooks.on_warning)
      wiring_.hooks.on_warning(
          "a notice of cloning may have been missed: the kernel sent more events than were taken in; if this virtual "
          "machine was just cloned or restored, stop gnomond and run `gnomon control adopt` on one copy only");
  }
  void wake() {
    const std::uint64_t one = 1;
    if (::write(wake_.get(), &one, sizeof one) < 0) return;  // the counter is full: the thread is awake anyway
  }

  AgentWiring wiring_;
  Agent agent_;
  serve::BurstClock clock_;
  std::vector<mint::Generation> acknowledged_;  // as last reported
  std::deque<Event> answers_;
  std::optional<CloneGuard> guard_;
  std::string boot_id_;
  int ticks_ = 0;
  bool ended_ = false;
  bool revoking_ = false;

  platform::UniqueFd wake_;
  // Flags only: what they announce is read under the mutex or from the pages.
  std::atomic<bool> stop_{false};
  std::atomic<bool> cloned_{false};
  std::atomic<bool> abandon_{false};
  std::atomic<bool> asked_{false};
  std::atomic<std::uint64_t> listed_at_{0};  // revision of the last list: from where the listener watches
  std::atomic<std::uint64_t> turns_{0};      // says that the loop moves, and nothing else

  mutable std::mutex mutex_;  // guards the three below
  std::condition_variable stopped_changed_;
  AgentView view_;
  std::optional<effect::Stopped> stopped_;
  std::deque<std::shared_ptr<Question>> questions_;

  std::thread thread_;
  std::thread listener_;
};

AgentThread::AgentThread(AgentWiring wiring) : loop_(std::make_unique<Loop>(std::move(wiring))) {}
AgentThread::~AgentThread() = default;
void AgentThread::start() { loop_->start(); }
void AgentThread::request_stop() { loop_->request_stop(); }
void AgentThread::report_clone() { loop_->report_clone(); }
std::optional<effect::Stopped> AgentThread::wait_stopped(time::Duration timeout) {
  return loop_->wait_stopped(timeout);
}
AgentView AgentThread::view() const { return loop_->view(); }
tl::expected<Listing, StoreError> AgentThread::list(std::string prefix, time::Duration timeout) {
  return loop_->list(std::move(prefix), timeout);
}
std::uint64_t AgentThread::turns() const { return loop_->turns(); }

}  // namespace gnomon::control
