// SPDX-License-Identifier: Apache-2.0
//
// One attempt to follow a key range at one endpoint: log in if need be, open the stream, read. All of it asynchronous
// on a completion queue of its own, which is what lets it be dropped at any moment: everything under way is cancelled
// and awaited, and a cancelled operation ends at once, whether the server is there or not.
//
// Thread rule: one thread at a time.
#pragma once

#include <grpcpp/grpcpp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "control/etcd/etcd_deadline.hpp"
#include "control/etcd/etcd_options.hpp"
#include "etcd/v3/etcd.grpc.pb.h"

namespace gnomon::control {

class EtcdWatchStream {
 public:
  enum class Happening : std::uint8_t {
    kNothing,   // until the deadline
    kLoggedIn,  // token() is new
    kResponse,  // response(); call go_on() when it has been dealt with
    kRevision,  // answer to ask_revision(): checked()
    kEnded,     // status() says why
  };

  /// Follows [start, end) from `first` on. Logs in first if there is a user and no token.
  EtcdWatchStream(const EtcdOptions& options, std::shared_ptr<grpc::Channel> channel, std::string token,
                  const etcdserverpb::WatchCreateRequest& create);
  ~EtcdWatchStream();
  EtcdWatchStream(const EtcdWatchStream&) = delete;
  EtcdWatchStream& operator=(const EtcdWatchStream&) = delete;

  [[nodiscard]] Happening wait(EtcdDeadline deadline);
  void go_on();
  /// A linearizable read of `key`, for the store's revision.
  void ask_revision(const std::string& key);

  [[nodiscard]] const etcdserverpb::WatchResponse& response() const { return response_; }
  [[nodiscard]] const etcdserverpb::ResponseHeader& checked() const { return check_response_.header(); }
  [[nodiscard]] const grpc::Status& status() const { return status_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] bool logged_in_here() const { return logged_in_here_; }
  /// When it has to be following: the endpoint may be silent.
  [[nodiscard]] EtcdDeadline open_by() const { return open_by_; }
  void opened() { open_ = true; }
  [[nodiscard]] bool is_open() const { return open_; }

 private:
  enum class Tag : std::uint8_t { kLogin, kStart, kWrite, kRead, kFinish, kCheck };

  [[nodiscard]] void* tag(Tag which) { return &tags_.at(static_cast<std::size_t>(which)); }
  [[nodiscard]] Happening happened(Tag which, bool ok);
  void log_in(const EtcdOptions& options);
  void start();
  void finish();

  std::array<char, 6> tags_{};  // their addresses are the tags
  grpc::CompletionQueue queue_;
  std::shared_ptr<grpc::Channel> channel_;
  EtcdDeadline open_by_;
  time::Duration deadline_;
  std::string token_;
  bool logged_in_here_ = false;
  bool open_ = false;
  grpc::Status status_;

  grpc::ClientContext login_context_;
  etcdserverpb::AuthenticateResponse login_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::AuthenticateResponse>> login_;

  grpc::ClientContext context_;
  etcdserverpb::WatchRequest request_;
  etcdserverpb::WatchResponse response_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>> call_;

  grpc::ClientContext check_context_;
  etcdserverpb::RangeResponse check_response_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::RangeResponse>> check_;
};

}  // namespace gnomon::control
