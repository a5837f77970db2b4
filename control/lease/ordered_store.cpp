// SPDX-License-Identifier: Apache-2.0
#include "control/lease/ordered_store.hpp"

#include <condition_variable>

namespace gnomon::control {

struct OrderedStore::Ticket {
  std::condition_variable called;
  bool is_turn = false;
};

class OrderedStore::Turn {
 public:
  explicit Turn(OrderedStore& store) : store_(store) {
    std::unique_lock lock(store_.mutex_);
    if (!store_.taken_) {
      store_.taken_ = true;
      return;
    }
    Ticket ticket;
    store_.waiting_.push_back(&ticket);
    ticket.called.wait(lock, [&] { return ticket.is_turn; });
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  // Notified under the lock: the ticket lies on the stack of a thread that goes on as soon as it may.
  ~Turn() {
    const std::lock_guard lock(store_.mutex_);
    if (store_.waiting_.empty()) {
      store_.taken_ = false;
      return;
    }
    Ticket* const next = store_.waiting_.front();
    store_.waiting_.pop_front();
    next->is_turn = true;
    next->called.notify_one();
  }

 private:
  OrderedStore& store_;
};

tl::expected<std::optional<Entry>, StoreError> OrderedStore::get(std::string_view key) {
  const Turn turn(*this);
  return behind_.get(key);
}

tl::expected<Listing, StoreError> OrderedStore::list(std::string_view prefix) {
  const Turn turn(*this);
  return behind_.list(prefix);
}

tl::expected<Revision, StoreError> OrderedStore::commit(const Transaction& transaction) {
  const Turn turn(*this);
  return behind_.commit(transaction);
}

std::unique_ptr<Watch> OrderedStore::watch(std::string_view prefix, Revision after) {
  const Turn turn(*this);
  return behind_.watch(prefix, after);
}

std::size_t OrderedStore::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace gnomon::control
