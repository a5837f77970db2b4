// SPDX-License-Identifier: Apache-2.0
//
// What a failed call to etcd means for the one who made it. A pure function: status in, verdict out.
//
// The naive reading, "an error means that nothing was written", loses or doubles commits: etcd answers `request timed
// out` after it proposed the transaction, and `database space exceeded` even after it applied it (its quota check at
// the apply counts first, applies, and then reports). So a failed commit counts as kUnknown unless the error is one
// that etcd can only give before any effect:
//
//   gRPC itself     nothing left this process; the request was larger than the server reads; the method is unknown
//   interceptor     no leader (only asked for by `hasleader`), not capable, not supported for a learner
//   checks          too many operations, duplicate or empty key, request too large, too many requests
//   authentication  bad or missing token, authentication or permission denied: checked at the proposal, and again at
//   the
//                   apply before the transaction runs
//   corrupt alarm   an applier that refuses everything takes the place of the real one
//
// (etcd 3.4 and 3.5: v3rpc/interceptor.go, v3rpc/key.go, etcdserver/v3_server.go, etcdserver/apply.go, apply_auth.go.)
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "control/store.hpp"

namespace gnomon::control {

/// Everything that the verdict depends on.
struct EtcdFailure {
  int code = 0;                 // grpc::StatusCode
  std::string_view message;     // as gRPC gave it
  bool may_have_left = true;    // false: it is certain that nothing was sent
  bool is_commit = false;       // else a read, which may be repeated at will
  std::size_t operations = 0;   // of a commit: the largest of its numbers of compares, puts and deletes
  std::string_view endpoint{};  // the three are for the text only
  std::string_view user{};
  std::string_view prefix{};
};

enum class EtcdRemedy : std::uint8_t {
  kNone,       // asking again is no use now
  kElsewhere,  // another endpoint may know better
  kNewToken,   // log in again, then repeat
};

struct EtcdVerdict {
  StoreError error;
  EtcdRemedy remedy = EtcdRemedy::kNone;  // of a commit, kNone whenever error.kind is kUnknown: it is never repeated
};

[[nodiscard]] EtcdVerdict judge(const EtcdFailure& failure);

}  // namespace gnomon::control
