// SPDX-License-Identifier: Apache-2.0
//
// One call to whichever endpoint of the cluster answers, within one deadline.
//
// Before anything is sent that matters, the endpoint is connected, has greeted us (so that it is known to belong to our
// cluster and to have a leader), and we are logged in. So what fails up to there has certainly had no effect, and the
// next endpoint is tried. `wait_for_ready` would be less code, but it leaves open whether a call that failed was sent.
// From the moment a commit was sent, only an error that etcd_error.hpp knows to be without effect lets it be sent
// again; a read is repeated as long as time is left. An endpoint that failed is avoided until it is the only one.
//
// Thread rule: one thread at a time.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/etcd/etcd_channels.hpp"
#include "control/etcd/etcd_deadline.hpp"
#include "control/etcd/etcd_error.hpp"
#include "control/etcd/etcd_options.hpp"
#include "control/store.hpp"

namespace gnomon::control {

/// What an etcd wants with every call: refuse at once if there is no leader, and who we are.
void add_metadata(grpc::ClientContext& context, const std::string& token);

class EtcdLink {
 public:
  struct Call {
    /// Sends the request on this channel and waits. May be called several times.
    std::function<grpc::Status(grpc::ClientContext&, const std::shared_ptr<grpc::Channel>&)> send;
    std::function<std::uint64_t()> cluster;  // the id in the header of the response
    bool is_commit = false;
    std::size_t operations = 0;  // of a commit, for the text of an error
  };

  /// `channels` come from the dialer.
  EtcdLink(EtcdOptions options, EtcdDialer dialer, std::vector<EtcdChannel> channels,
           std::shared_ptr<EtcdClusterId> cluster);

  /// Blocks until the deadline at most.
  [[nodiscard]] tl::expected<void, StoreError> call(const Call& call, EtcdDeadline deadline);

 private:
  struct Endpoint {
    EtcdChannel at;
    bool greeted = false;  // since it was connected
    bool suspect = false;  // failed last
    std::string fault{};   // why, in this call
    EtcdDeadline::Clock::time_point used{};
  };

  [[nodiscard]] Endpoint& current() { return endpoints_[current_]; }
  [[nodiscard]] tl::expected<void, EtcdVerdict> prepare(EtcdDeadline deadline, std::size_t tries);
  [[nodiscard]] bool connect(EtcdDeadline deadline);
  [[nodiscard]] bool is_usable(Endpoint& endpoint, bool suspects_too, EtcdDeadline deadline);
  [[nodiscard]] tl::expected<void, EtcdVerdict> greet(EtcdDeadline deadline);
  [[nodiscard]] tl::expected<void, EtcdVerdict> log_in(EtcdDeadline deadline);
  [[nodiscard]] EtcdVerdict verdict(const grpc::Status& status, bool may_have_left, const Call* call) const;
  [[nodiscard]] StoreError unreachable() const;
  [[nodiscard]] EtcdDeadline share(EtcdDeadline deadline, std::size_t tries) const;
  void leave(std::string fault);

  EtcdOptions options_;
  EtcdDialer dialer_;
  std::vector<Endpoint> endpoints_;
  std::size_t current_ = 0;
  std::shared_ptr<EtcdClusterId> cluster_;
  std::string token_;
  bool login_is_off_ = false;  // the cluster knows no users
};

}  // namespace gnomon::control
