// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_watch.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "control/etcd/etcd_codec.hpp"
#include "control/etcd/etcd_error.hpp"
#include "control/etcd/etcd_watch_stream.hpp"

namespace gnomon::control {
namespace {

namespace pb = etcdserverpb;

constexpr time::Duration kRoundPause = time::milliseconds(200);  // after every endpoint has failed once

/// etcd gives the reason of a cancelled watch as text: "rpc error: code = PermissionDenied desc = etcdserver: ...".
std::string_view reason_of(const pb::WatchResponse& response) {
  constexpr std::string_view kBefore = " desc = ";
  const std::string_view reason = response.cancel_reason();
  const std::size_t at = reason.find(kBefore);
  return at == std::string_view::npos ? reason : reason.substr(at + kBefore.size());
}

/// What was told would be one of these, and the next stream begin right after it.
bool has_possible_revisions(const pb::WatchResponse& response) {
  return is_revision(response.header().revision()) &&
         is_revision(std::max<std::int64_t>(response.compact_revision(), 0)) &&
         std::all_of(response.events().begin(), response.events().end(),
                     [](const pb::Event& event) { return is_revision(event.kv().mod_revision()); });
}

}  // namespace

EtcdWatch::EtcdWatch(const EtcdOptions& options, EtcdDialer dialer, std::shared_ptr<EtcdClusterId> cluster,
                     std::string_view prefix, Revision after)
    : options_(options),
      dialer_(std::move(dialer)),
      channels_(dialer_.dial()),
      cluster_(std::move(cluster)),
      start_(options.prefix + std::string(prefix)),
      told_(after) {}

EtcdWatch::~EtcdWatch() = default;

tl::expected<Changes, StoreError> EtcdWatch::next(time::Duration timeout) {
  if (News news = wait(EtcdDeadline::in(timeout))) return std::move(*news);
  if (error_) return tl::make_unexpected(*error_);
  return Changes{told_, {}, false};
}

EtcdWatch::News EtcdWatch::wait(EtcdDeadline deadline) {
  using Happening = EtcdWatchStream::Happening;
  for (;;) {
    if (!stream_ && pause_ && !pause_->over()) {
      // What is ready already has to wait as well: the fault lies elsewhere.
      if (wait_for_change(*channels_[current_].channel, deadline.but_within(pause_->left())) && is_ready())
        pause_.reset();
      if (deadline.over()) return std::nullopt;
      continue;
    }
    if (!stream_) open();
    News news;
    switch (stream_->wait(stream_->is_open() ? deadline : deadline.but_within(stream_->open_by().left()))) {
      case Happening::kNothing:
        if (!stream_->is_open() && stream_->open_by().over())
          fail(grpc::StatusCode::DEADLINE_EXCEEDED, "the watch was not created");
        if (deadline.over()) return std::nullopt;
        break;
      case Happening::kLoggedIn: token_ = stream_->token(); break;
      case Happening::kResponse: news = respond(stream_->response()); break;
      case Happening::kRevision:
        news = compare_history(stream_->checked().cluster_id(), stream_->checked().revision());
        break;
      case Happening::kEnded: {
        const grpc::Status status = stream_->status();
        fail(status.error_code(), status.error_message());
        break;
      }
    }
    if (news) return news;
  }
}

bool EtcdWatch::is_ready() const { return channels_[current_].channel->GetState(true) == GRPC_CHANNEL_READY; }

void EtcdWatch::open() {
  pb::WatchCreateRequest create;
  create.set_key(start_);
  create.set_range_end(range_end_of(start_));
  create.set_start_revision(static_cast<std::int64_t>(told_.value) + 1);
  create.set_progress_notify(true);
  create.set_fragment(true);
  fragments_.clear();
  dialer_.renew(channels_[current_]);
  stream_ = std::make_unique<EtcdWatchStream>(options_, channels_[current_].channel, token_, create);
}

EtcdWatch::News EtcdWatch::respond(const pb::WatchResponse& response) {
  if (const std::uint64_t cluster = response.header().cluster_id(); !cluster_->agrees(cluster)) {
    fail({StoreErrorKind::kUnavailable, other_cluster_text(endpoint(), cluster, cluster_->value())});
    return std::nullopt;
  }
  if (!has_possible_revisions(response)) {
    fail_impossible();
    return std::nullopt;
  }
  if (response.canceled()) return cancelled(response);
  if (response.created()) {
    stream_->opened();
    watch_id_ = response.watch_id();
    if (static_cast<std::uint64_t>(response.header().revision()) < told_.value) {
      stream_->ask_revision(start_);
      return std::nullopt;
    }
    failures_ = 0;
    error_.reset();
  }
  News news;
  if (response.watch_id() == watch_id_ && !response.created()) news = take_events(response);
  stream_->go_on();
  return news;
}

EtcdWatch::News EtcdWatch::cancelled(const pb::WatchResponse& response) {
  if (response.compact_revision() > 0) return gap({static_cast<std::uint64_t>(response.compact_revision())});
  // A member that restarted has forgotten our login, and 3.4 calls that "permission denied", too.
  if (!token_.empty() && !stream_->logged_in_here()) {
    token_.clear();
    stream_.reset();
    return std::nullopt;
  }
  token_.clear();
  fail(grpc::StatusCode::CANCELLED, std::string(reason_of(response)));
  return std::nullopt;
}

EtcdWatch::News EtcdWatch::take_events(const pb::WatchResponse& response) {
  for (const pb::Event& event : response.events()) {
    Change change{to_entry(event.kv(), options_.prefix), event.type() == pb::Event::DELETE};
    if (change.entry.modified <= told_) continue;
    if (change.deleted) change.entry.value.clear();
    fragments_.push_back(std::move(change));
  }
  if (response.fragment()) return std::nullopt;
  if (response.events().empty()) {
    told_ = std::max(told_, {static_cast<std::uint64_t>(response.header().revision())});
    return std::nullopt;
  }
  if (fragments_.empty()) return std::nullopt;
  told_ = fragments_.back().entry.modified;
  return Changes{told_, std::exchange(fragments_, {}), false};
}

/// The stream began at a member that knows less than was told. `revision` is what the whole store has.
EtcdWatch::News EtcdWatch::compare_history(std::uint64_t cluster, std::int64_t revision) {
  if (!cluster_->agrees(cluster)) {
    fail({StoreErrorKind::kUnavailable, other_cluster_text(endpoint(), cluster, cluster_->value())});
    return std::nullopt;
  }
  if (!is_revision(revision)) {
    fail_impossible();
    return std::nullopt;
  }
  failures_ = 0;
  error_.reset();
  if (static_cast<std::uint64_t>(revision) < told_.value) return gap({static_cast<std::uint64_t>(revision)});
  stream_->go_on();
  return std::nullopt;
}

EtcdWatch::News EtcdWatch::gap(Revision through) {
  stream_.reset();
  told_ = through;
  failures_ = 0;
  error_.reset();
  return Changes{told_, {}, true};
}

/// Such a stream was created without fault, and counted as a success: without a pause it would begin anew at once, for
/// as long as the member says so.
void EtcdWatch::fail_impossible() {
  fail({StoreErrorKind::kUnavailable, endpoint() + ": " + impossible_text("that something was changed")});
  pause_ = EtcdDeadline::in(kRoundPause);
}

void EtcdWatch::fail(int code, std::string_view message) {
  EtcdVerdict verdict = judge({code, message, true, false, 0, endpoint(), options_.user, options_.prefix});
  if (verdict.remedy == EtcdRemedy::kNewToken) token_.clear();
  fail(std::move(verdict.error));
}

void EtcdWatch::fail(StoreError error) {
  stream_.reset();
  error_ = std::move(error);
  current_ = (current_ + 1) % channels_.size();
  ++failures_;
  pause_.reset();
  if (failures_ % channels_.size() == 0) pause_ = EtcdDeadline::in(kRoundPause);
}

}  // namespace gnomon::control
