// SPDX-License-Identifier: Apache-2.0
//
// The store of many hosts: an etcd cluster of 3 or 5 members.
//
// Reads are linearizable and are repeated over the endpoints until the deadline. A commit is one Txn that compares
// modification revisions (0: absent); it is sent at most once, unless it is certain that the earlier attempt had no
// effect. An answer that is lost is kUnknown and never made good here: only the caller can tell its own value, by the
// nonce in it. The naive client that repeats a transaction because its compares "make it idempotent" reports a conflict
// for a commit that it made itself, and the daemon would then drop a right that it holds.
//
// A listing is read in pages at the revision of the first one, so it is one state of the store however long it is.
// Everything gnomon keeps lies below a prefix, which no key that comes or goes here shows.
//
// Thread rule: one thread at a time. Its watches have connections of their own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/etcd/etcd_channels.hpp"
#include "control/etcd/etcd_link.hpp"
#include "control/etcd/etcd_options.hpp"
#include "control/store.hpp"

namespace gnomon::control {

class EtcdStore final : public Store {
 public:
  /// Reads the files and makes the channels; the cluster need not be there. Fails with kFatal on options or files that
  /// can't work.
  [[nodiscard]] static tl::expected<std::unique_ptr<EtcdStore>, StoreError> open(EtcdOptions options);

  [[nodiscard]] tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override;
  [[nodiscard]] tl::expected<Listing, StoreError> list(std::string_view prefix) override;
  [[nodiscard]] tl::expected<Revision, StoreError> commit(const Transaction& transaction) override;
  [[nodiscard]] std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override;

  /// The endpoints' latest answer came from another cluster than the first one: it was restored, or made anew, under
  /// another id. This object never talks to it; a new one will. Any thread.
  [[nodiscard]] bool met_another_cluster() const { return cluster_->met_another(); }

 private:
  EtcdStore(EtcdOptions options, EtcdDialer dialer);

  EtcdOptions options_;
  EtcdDialer dialer_;
  std::shared_ptr<EtcdClusterId> cluster_;
  EtcdLink link_;
};

}  // namespace gnomon::control
