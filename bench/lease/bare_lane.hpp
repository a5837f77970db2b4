// SPDX-License-Identifier: Apache-2.0
//
// The commits of lease commands with nothing of gnomon around them: as many compares, puts and deletes, of keys and
// values as long, as the desk has sent for the same command. Each name and each session has keys of its own, whose
// revisions this knows, so every commit succeeds and nothing is read.
//
//   bare_etcd   by the generated stub, over a channel that the product's dialer made
//   bare_store  by a Store, without its client's rules
//
// Thread rule: one thread; of a store that several lanes share, that store's.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "bench/lease/desk_alone.hpp"
#include "bench/lease/lane.hpp"
#include "control/store.hpp"

namespace gnomon::bench {

class BareLane final : public Lane {
 public:
  using Commit = std::function<control::Revision(const control::Transaction&)>;

  /// `prefix`: of its keys, which no other lane may have.
  BareLane(Commit commit, std::string prefix, const CommandShapes& shapes)
      : commit_(std::move(commit)), prefix_(std::move(prefix)), shapes_(shapes) {}
  void run(Command command, std::size_t k) override;

 private:
  [[nodiscard]] control::Transaction& prepared(Command command, std::size_t k);

  Commit commit_;
  std::string prefix_;
  const CommandShapes& shapes_;
  std::map<std::pair<Command, std::size_t>, control::Transaction> transactions_;
  std::map<std::string, control::Revision> revisions_;
};

/// One put of a value of this size, whatever the command: what a durable commit costs at least.
class OnePutLane final : public Lane {
 public:
  OnePutLane(BareLane::Commit commit, std::string key, std::size_t value_bytes);
  void run(Command command, std::size_t k) override;

 private:
  BareLane::Commit commit_;
  control::Transaction put_;
};

[[nodiscard]] BareLane::Commit bare_etcd(const std::shared_ptr<grpc::Channel>& channel);
[[nodiscard]] BareLane::Commit bare_store(control::Store& store);

}  // namespace gnomon::bench
