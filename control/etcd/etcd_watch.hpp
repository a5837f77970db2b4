// SPDX-License-Identifier: Apache-2.0
//
// Follows the keys below a prefix over etcd's bidirectional stream, through cut streams, dead members and compactions.
//
// What has been told is one revision; every stream begins right after it, so nothing is lost or repeated whatever was
// in flight. It moves by whole revisions only: a large one comes in fragments, and a stream that is cut between two of
// them tells all of it again. Two things that look alike are told apart by a linearizable read: a member that lags
// behind what was told already (we wait for it), and a store that was restored to an earlier state (a gap: list anew).
//
// It moves forward by etcd's periodic notifications, too, but not by those that one can ask for: before 3.4.25
// and 3.5.8 they overtake events that were not sent yet (etcd#15220).
//
// No thread of its own: the stream is asynchronous and moves while somebody waits in next(), which makes a timeout
// exact and lets a watch end at any time. Thread rule: one thread at a time, which need not be the store's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/etcd/etcd_channels.hpp"
#include "control/etcd/etcd_deadline.hpp"
#include "control/etcd/etcd_options.hpp"
#include "control/store.hpp"

namespace etcdserverpb {
class WatchResponse;
}

namespace gnomon::control {

class EtcdWatchStream;

class EtcdWatch final : public Watch {
 public:
  EtcdWatch(const EtcdOptions& options, EtcdDialer dialer, std::shared_ptr<EtcdClusterId> cluster,
            std::string_view prefix, Revision after);
  ~EtcdWatch() override;

  [[nodiscard]] tl::expected<Changes, StoreError> next(time::Duration timeout) override;

 private:
  using News = std::optional<Changes>;

  [[nodiscard]] News wait(EtcdDeadline deadline);
  void open();
  [[nodiscard]] bool is_ready() const;
  [[nodiscard]] News respond(const etcdserverpb::WatchResponse& response);
  [[nodiscard]] News cancelled(const etcdserverpb::WatchResponse& response);
  [[nodiscard]] News take_events(const etcdserverpb::WatchResponse& response);
  [[nodiscard]] News compare_history(std::uint64_t cluster, std::int64_t revision);
  [[nodiscard]] News gap(Revision through);
  void fail_impossible();
  void fail(int code, std::string_view message);
  void fail(StoreError error);
  [[nodiscard]] const std::string& endpoint() const { return channels_[current_].endpoint; }

  EtcdOptions options_;
  EtcdDialer dialer_;
  std::vector<EtcdChannel> channels_;
  std::shared_ptr<EtcdClusterId> cluster_;
  std::string start_;  // prefix of the store and of the watch
  Revision told_;

  std::unique_ptr<EtcdWatchStream> stream_;
  std::size_t current_ = 0;
  std::size_t failures_ = 0;  // one after another
  std::optional<EtcdDeadline> pause_;
  std::optional<StoreError> error_;  // of the last failure, while it lasts
  std::string token_;
  std::int64_t watch_id_ = 0;
  std::vector<Change> fragments_;
};

}  // namespace gnomon::control
