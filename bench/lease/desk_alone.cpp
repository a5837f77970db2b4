// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/desk_alone.hpp"

#include <fmt/core.h>

#include <chrono>
#include <utility>
#include <variant>

#include "bench/paired.hpp"
#include "oracle/lease/named_lease.hpp"
#include "platform/random.hpp"
#include "platform/uptime.hpp"

namespace gnomon::bench {
namespace {

constexpr time::Duration kTtl = time::seconds(600);
constexpr time::Duration kPatience = time::seconds(60);
constexpr time::Duration kBound = time::milliseconds(1);
constexpr std::int64_t kTaiMinusUtcNs = 37'000'000'000;
constexpr const char* kWho = "bench";

control::DeskTime now() {
  const auto utc = std::chrono::system_clock::now().time_since_epoch();
  const time::Tai tai{std::chrono::duration_cast<std::chrono::nanoseconds>(utc).count() + kTaiMinusUtcNs};
  return {lease::Moment{{}, {tai - kBound, tai + kBound}}, platform::read_uptime()};
}

control::DeskOptions options_for(const lease::StoreFacts& facts) {
  control::DeskOptions options;
  options.policy.store = facts;
  return options;
}

}  // namespace

DeskAlone::DeskAlone(control::Store& store, const lease::StoreFacts& facts)
    : store_(store), desk_(options_for(facts), platform::random_value<control::Nonce>()) {
  const auto listing = store_.list(lease::kStoreKey);
  if (!listing) die(listing.error().text);
  step(control::desk_event::Heard{{listing->at, {}, true}, true});
}

lease::Answer DeskAlone::ask(const lease::SessionId& session, control::Command command) {
  reply_.reset();
  committed_ = {};
  control::Call call{{++asked_}, session, kWho, std::move(command), platform::read_uptime() + kPatience};
  step(control::desk_event::Asked{std::move(call)});
  if (!reply_) die("the desk gave no answer");
  if (!*reply_) die("the desk refused: " + reply_->error().text);
  auto* const answered = std::get_if<control::Answered>(&**reply_);
  if (answered == nullptr) die("the desk answered something else than was asked");
  if (const auto* refused = std::get_if<lease::answer::Refused>(&answered->answer))
    die("the desk refused: " + refused->text);
  return std::move(answered->answer);
}

void DeskAlone::step(const control::DeskEvent& event) {
  events_.push_back(event);
  while (!events_.empty()) {
    const control::DeskEvent next = std::move(events_.front());
    events_.pop_front();
    for (control::DeskEffect& effect : desk_.step(next, now())) {
      if (const auto* read = std::get_if<control::desk_effect::Read>(&effect)) perform(*read);
      if (const auto* commit = std::get_if<control::desk_effect::Commit>(&effect)) perform(*commit);
      if (auto* send = std::get_if<control::desk_effect::Send>(&effect)) reply_ = std::move(send->reply);
    }
  }
}

void DeskAlone::perform(const control::desk_effect::Read& read) {
  control::desk_event::ReadDone done{read.task, {}, {}};
  for (const std::string& key : read.keys) {
    auto entry = store_.get(key);
    if (!entry) die(entry.error().text);
    done.keys.push_back(std::move(*entry));
  }
  for (const std::string& prefix : read.prefixes) {
    auto listing = store_.list(prefix);
    if (!listing) die(listing.error().text);
    done.listings.push_back(std::move(*listing));
  }
  events_.emplace_back(std::move(done));
}

void DeskAlone::perform(const control::desk_effect::Commit& commit) {
  const auto revision = store_.commit(commit.transaction);
  if (!revision) die(revision.error().text);
  if (committed_.compares.empty()) committed_ = commit.transaction;  // those after it clean up
  events_.emplace_back(control::desk_event::CommitDone{commit.task, *revision});
}

DeskLane::DeskLane(control::Store& store, const lease::StoreFacts& facts)
    : desk_(store, facts), session_(platform::random_value<lease::SessionId>()) {
  open(session_);
}

DeskLane::Slot& DeskLane::slot(std::size_t k) {
  while (slots_.size() <= k)
    slots_.push_back({fmt::format("bench/00/{:02}", slots_.size()), {}, {}});
  return slots_[k];
}

void DeskLane::open(const lease::SessionId& session) {
  (void)desk_.ask(session, control::command::OpenSession{kTtl, kWho});
}

void DeskLane::run(Command command, std::size_t k) {
  Slot& at = slot(k);
  switch (command) {
    case Command::kOpen: at.session = platform::random_value<lease::SessionId>(); return open(at.session);
    case Command::kAcquire: {
      const lease::Answer answer = desk_.ask(session_, control::command::Acquire{{at.name}, {}});
      at.token = std::get<lease::answer::Held>(answer).token;
      return;
    }
    case Command::kRenew: (void)desk_.ask(session_, control::command::RenewSession{kTtl}); return;
    case Command::kRelease: (void)desk_.ask(session_, control::command::Release{at.name, at.token}); return;
    case Command::kClose: (void)desk_.ask(at.session, control::command::CloseSession{}); return;
  }
}

CommandShapes shapes_of(DeskLane& lane) {
  CommandShapes shapes;
  for (const Command command : kAllCommands) {
    lane.run(command, 0);
    shapes[command] = lane.committed();
  }
  return shapes;
}

}  // namespace gnomon::bench
