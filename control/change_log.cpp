// SPDX-License-Identifier: Apache-2.0
#include "control/change_log.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace gnomon::control {

struct ChangeLog::History {
  std::mutex mutex;  // guards all of it
  std::condition_variable grown;
  std::deque<Change> changes;
  Revision from;     // changes at higher revisions are all there
  Revision through;  // newest commit
};

class ChangeLog::LogWatch final : public Watch {
 public:
  LogWatch(std::shared_ptr<History> history, std::string prefix, Revision after)
      : history_(std::move(history)), prefix_(std::move(prefix)), told_(after) {}

  tl::expected<Changes, StoreError> next(time::Duration timeout) override {
    std::unique_lock lock(history_->mutex);
    history_->grown.wait_for(lock, std::chrono::nanoseconds(timeout.ns), [this] { return is_news(); });
    Changes out{std::max(told_, history_->through), {}, told_ < history_->from};
    if (!out.gap)
      for (const Change& change : history_->changes)
        if (concerns_us(change)) out.changes.push_back(change);
    told_ = out.through;
    return out;
  }

 private:
  [[nodiscard]] bool concerns_us(const Change& change) const {
    return change.entry.modified > told_ && change.entry.key.starts_with(prefix_);
  }
  [[nodiscard]] bool is_news() const {
    return told_ < history_->from || std::any_of(
                                         history_->changes.begin(), history_->changes.end(),
                                         [this](const Change& change) { return concerns_us(change); });
  }

  std::shared_ptr<History> history_;
  std::string prefix_;
  Revision told_;
};

ChangeLog::ChangeLog(Revision at) : history_(std::make_shared<History>()) {
  history_->from = at;
  history_->through = at;
}

void ChangeLog::record(const Transaction& transaction, Revision revision) {
  {
    const std::lock_guard lock(history_->mutex);
    for (const std::string& key : transaction.deletes)
      history_->changes.push_back({{key, {}, revision}, true});
    for (const Put& put : transaction.puts)
      history_->changes.push_back({{put.key, put.value, revision}, false});
    history_->through = revision;
    while (history_->changes.size() > kMaxChanges) {
      history_->from = history_->changes.front().entry.modified;  // a commit that is cut in two counts as forgotten
      history_->changes.pop_front();
    }
  }
  history_->grown.notify_all();
}

std::unique_ptr<Watch> ChangeLog::watch(std::string_view prefix, Revision after) const {
  return std::make_unique<LogWatch>(history_, std::string(prefix), after);
}

}  // namespace gnomon::control
