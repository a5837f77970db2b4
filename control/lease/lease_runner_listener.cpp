// SPDX-License-Identifier: Apache-2.0
#include "control/lease/lease_runner_listener.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "oracle/lease/client_session.hpp"
#include "oracle/lease/named_lease.hpp"

namespace gnomon::control {
namespace {

// How long it waits in the store before it looks whether it has to end.
constexpr time::Duration kListenFor = time::milliseconds(200);
constexpr std::chrono::milliseconds kListenAgainAfter{100};  // after an error
// A short listing, made for its revision.
constexpr std::string_view kShortPrefix = "meta/";

bool is_remembered(std::string_view key) {
  return key.starts_with(lease::kHeldPrefix) || key.starts_with(lease::kQueuePrefix) ||
         key.starts_with(lease::kClientPrefix);
}

}  // namespace

LeaseRunnerListener::LeaseRunnerListener(Store& store, Told told)
    : store_(store), told_(std::move(told)), thread_([this] { run(); }) {}

LeaseRunnerListener::~LeaseRunnerListener() { stop(); }

void LeaseRunnerListener::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  end_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool LeaseRunnerListener::is_ending() {
  const std::lock_guard lock(mutex_);
  return ending_;
}

void LeaseRunnerListener::pause() {
  std::unique_lock lock(mutex_);
  end_.wait_for(lock, kListenAgainAfter, [this] { return ending_; });
}

void LeaseRunnerListener::failed(const StoreError& error) {
  hears_.store(false, std::memory_order_relaxed);
  const bool news = !std::exchange(in_trouble_, true);
  if (news || error.kind == StoreErrorKind::kFatal) told_.trouble(error);
  pause();
}

bool LeaseRunnerListener::begin() {
  const auto listing = store_.list(kShortPrefix);
  if (!listing) {
    failed(listing.error());
    return false;
  }
  hears_.store(true, std::memory_order_relaxed);
  through_ = listing->at;
  watch_ = store_.watch("", through_);
  told_.hear({through_, {}, true});
  return true;
}

void LeaseRunnerListener::run() {
  while (!is_ending()) {
    if (!watch_ && !begin()) continue;
    auto heard = watch_->next(kListenFor);
    if (!heard) {
      failed(heard.error());
      continue;
    }
    in_trouble_ = false;
    hears_.store(true, std::memory_order_relaxed);
    std::erase_if(heard->changes, [](const Change& change) { return !is_remembered(change.entry.key); });
    const bool is_news = heard->gap || !heard->changes.empty() || heard->through != through_;
    through_ = heard->through;
    if (is_news) told_.hear(std::move(*heard));
  }
}

}  // namespace gnomon::control
