// SPDX-License-Identifier: Apache-2.0
//
// An etcd in the test's own process that does what it is told: what a real one does once in a million requests (apply
// and lose the answer, forget a login, cut a stream between two fragments), this one does when the test says so.
//
// A FakeCluster is the data: one history, shared by its members. A FakeMember is a gRPC server on a port of 127.0.0.1
// that can be stopped and started again. Any thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "etcd/v3/etcd.grpc.pb.h"

namespace gnomon::control {

class FakeCluster {
 public:
  explicit FakeCluster(std::uint64_t id = 0xc1) : id_(id) {}

  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] std::int64_t revision() const;
  [[nodiscard]] std::optional<std::string> value(const std::string& key) const;
  /// One revision: empty values delete.
  std::int64_t put(const std::map<std::string, std::string>& values);
  void compact(std::int64_t revision);
  /// Another history takes its place, as after a restore.
  void restore(std::int64_t revision);
  /// What any member says who they are, and which alarms there are; until then neither call is known to them.
  void tell_health(etcdserverpb::MemberListResponse members, etcdserverpb::AlarmResponse alarms);
  struct Health {
    etcdserverpb::MemberListResponse members;
    etcdserverpb::AlarmResponse alarms;
  };
  [[nodiscard]] std::optional<Health> health() const;

  [[nodiscard]] etcdserverpb::TxnResponse apply(const etcdserverpb::TxnRequest& request);
  /// Fails with etcd's error if the revision is compacted.
  [[nodiscard]] grpc::Status range(const etcdserverpb::RangeRequest& request,
                                   etcdserverpb::RangeResponse* response) const;

  struct Batch {
    std::vector<etcdserverpb::Event> events;
    std::int64_t revision = 0;   // of the cluster
    std::int64_t compacted = 0;  // > 0: `from` lies below it
  };
  /// Events at revisions from `from` on, below the key range.
  [[nodiscard]] Batch events(std::int64_t from, const etcdserverpb::WatchCreateRequest& range) const;

 private:
  std::int64_t put_locked(const std::map<std::string, std::string>& values);

  const std::uint64_t id_;
  mutable std::mutex mutex_;
  std::int64_t revision_ = 1;
  std::int64_t compacted_ = 0;
  std::map<std::string, etcdserverpb::KeyValue> keys_;
  std::vector<etcdserverpb::Event> history_;
  std::optional<Health> health_;
};

/// What happens to one request. Default: it is served.
struct Script {
  bool apply = true;                                          // before the answer
  std::optional<grpc::Status> status;                         // answered instead
  bool hold = false;                                          // no answer until the client gives up or the server stops
  std::function<void()> then;                                 // after it was applied
  std::function<void(etcdserverpb::RangeResponse&)> forge{};  // of a range: changes the answer
  std::function<void(etcdserverpb::TxnResponse&)> forge_txn{};  // of a transaction
};

struct Served {
  int statuses = 0, ranges = 0, txns = 0, applied = 0, logins = 0, watches = 0;
};

class FakeMember {
 public:
  explicit FakeMember(FakeCluster& cluster, int port = 0);
  ~FakeMember();
  FakeMember(const FakeMember&) = delete;
  FakeMember& operator=(const FakeMember&) = delete;

  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }
  /// As it calls itself in its answers.
  [[nodiscard]] std::uint64_t id() const { return static_cast<std::uint64_t>(port_); }
  void stop();
  void start();
  [[nodiscard]] Served served() const;

  void next_txn(Script script);
  void next_range(Script script);
  /// Of the question who it is, with which every connection begins: `hold` and `status` only.
  void next_status(Script script);
  /// From now on its answers bear this cluster's id, on connections that are up as well: what happens behind a proxy
  /// that is pointed elsewhere. 0: its own again.
  void answer_as_cluster(std::uint64_t id);
  /// From now on every request that asks for a leader is refused.
  void lose_leader(bool lost = true);
  /// From now on requests need a token that a login with this password got. Earlier tokens are forgotten.
  void want_login(const std::string& password);
  void forget_tokens();
  /// Tokens are handed out, but never accepted.
  void refuse_tokens(bool refuse = true);
  void refuse_watches(bool refuse = true);
  /// This member reports an older revision when a watch is created, as one that lags.
  void lag(std::int64_t revisions);
  /// Streams send events one by one as fragments.
  void fragment(bool on = true);
  /// The stream that follows ends after so many more responses, then the limit is gone.
  void cut_stream_after(int responses);
  void cut_streams();
  /// On every stream: a notification for its watch (or, with -1, for none).
  void notify_progress(std::int64_t revision, bool for_our_watch = true);

 private:
  struct Rules;
  class Services;

  std::unique_ptr<Rules> rules_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace gnomon::control
