// SPDX-License-Identifier: Apache-2.0
//
// The TLS files of an etcd store as they are now: a certificate that is renewed in place is what the next connection
// shows, and nobody restarts anything.
//
// gRPC has providers that watch files by themselves. They read on a timer and a thread of their own, want to be told in
// seconds how late they may be, and say nothing when they can't read; and a pair of which only one half is new yet is
// what they then offer. Here the files are looked at where it matters, whenever a connection is about to be made: three
// calls of stat, and they are read again only if something about them has changed. A pair of which only one half is in
// place does not connect, and the next look finds the other half.
//
// What can't be read changes nothing: the last files that could be are still in use, and `problem` says why.
// Thread rule: any thread, behind a mutex that is held while files are read, never while anybody talks to an etcd.
#pragma once

#include <grpcpp/security/credentials.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "control/etcd/etcd_options.hpp"
#include "control/store.hpp"

namespace gnomon::control {

class EtcdCredentials {
 public:
  struct Current {
    std::shared_ptr<grpc::ChannelCredentials> credentials;
    std::uint64_t number = 0;  // of the reading that they come from; grows
  };

  /// Reads the files, and refuses what can't work.
  [[nodiscard]] static tl::expected<std::shared_ptr<EtcdCredentials>, StoreError> open(const EtcdOptions& options);

  /// By the files as they are now.
  [[nodiscard]] Current current();
  /// Why newer files are not in use; empty if they are, or there are none.
  [[nodiscard]] std::string problem() const;

 private:
  /// By what a change of a file is noticed, whoever makes it: written over, renamed, or a link that leads elsewhere.
  struct Face {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Face&, const Face&) = default;
  };
  using Faces = std::array<Face, 3>;

  explicit EtcdCredentials(EtcdOptions options) : options_(std::move(options)) {}
  [[nodiscard]] Faces look() const;
  [[nodiscard]] tl::expected<std::shared_ptr<grpc::ChannelCredentials>, StoreError> read() const;

  const EtcdOptions options_;
  mutable std::mutex mutex_;  // guards all below
  Faces seen_{};
  Current current_;
  std::string problem_;
};

}  // namespace gnomon::control
