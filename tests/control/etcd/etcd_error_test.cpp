// SPDX-License-Identifier: Apache-2.0
//
// The table that says which failed commits may have happened. What stands here as certain is copied from etcd's source,
// and each line that is wrong loses or doubles a commit.
#include "control/etcd/etcd_error.hpp"

#include <gmock/gmock.h>
#include <grpcpp/support/status_code_enum.h>
#include <gtest/gtest.h>

namespace gnomon::control {
namespace {

using testing::HasSubstr;
using Kind = StoreErrorKind;
using Remedy = EtcdRemedy;

EtcdVerdict of_commit(int code, std::string_view message, bool may_have_left = true) {
  return judge({code, message, may_have_left, true, 300, "a:2379", "gn", "gnomon/"});
}
EtcdVerdict of_read(int code, std::string_view message) {
  return judge({code, message, true, false, 0, "a:2379", "gn", "gnomon/"});
}

struct Row {
  int code;
  const char* message;
  Kind commit;
  Remedy commit_remedy;
  Kind read;
  Remedy read_remedy;
};

TEST(EtcdError, Table) {
  using grpc::StatusCode;
  for (const Row& row : {
           // Certain: refused before any effect.
           Row{StatusCode::UNAVAILABLE, "etcdserver: no leader", Kind::kUnavailable, Remedy::kElsewhere,
               Kind::kUnavailable, Remedy::kElsewhere},
           {StatusCode::UNAVAILABLE, "etcdserver: not capable", Kind::kUnavailable, Remedy::kElsewhere,
            Kind::kUnavailable, Remedy::kElsewhere},
           {StatusCode::UNAVAILABLE, "etcdserver: rpc not supported for learner", Kind::kUnavailable,
            Remedy::kElsewhere, Kind::kUnavailable, Remedy::kElsewhere},
           {StatusCode::RESOURCE_EXHAUSTED, "etcdserver: too many requests", Kind::kUnavailable, Remedy::kElsewhere,
            Kind::kUnavailable, Remedy::kElsewhere},
           {StatusCode::UNAUTHENTICATED, "etcdserver: invalid auth token", Kind::kUnavailable, Remedy::kNewToken,
            Kind::kUnavailable, Remedy::kNewToken},
           {StatusCode::INVALID_ARGUMENT, "etcdserver: revision of auth store is old", Kind::kUnavailable,
            Remedy::kNewToken, Kind::kUnavailable, Remedy::kNewToken},
           {StatusCode::UNKNOWN, "auth: revision in header is old", Kind::kUnavailable, Remedy::kNewToken,
            Kind::kUnavailable, Remedy::kNewToken},
           {StatusCode::INVALID_ARGUMENT, "etcdserver: user name is empty", Kind::kUnavailable, Remedy::kNewToken,
            Kind::kUnavailable, Remedy::kNewToken},
           {StatusCode::PERMISSION_DENIED, "etcdserver: permission denied", Kind::kUnavailable, Remedy::kNone,
            Kind::kUnavailable, Remedy::kNone},
           {StatusCode::INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password",
            Kind::kUnavailable, Remedy::kNone, Kind::kUnavailable, Remedy::kNone},
           {StatusCode::UNIMPLEMENTED, "unknown service etcdserverpb.KV", Kind::kUnavailable, Remedy::kElsewhere,
            Kind::kUnavailable, Remedy::kElsewhere},
           {StatusCode::INVALID_ARGUMENT, "etcdserver: too many operations in txn request", Kind::kFatal, Remedy::kNone,
            Kind::kFatal, Remedy::kNone},
           {StatusCode::INVALID_ARGUMENT, "etcdserver: request is too large", Kind::kFatal, Remedy::kNone, Kind::kFatal,
            Remedy::kNone},
           {StatusCode::RESOURCE_EXHAUSTED, "grpc: received message larger than max (2097177 vs. 2097152)",
            Kind::kFatal, Remedy::kNone, Kind::kFatal, Remedy::kNone},
           {StatusCode::DATA_LOSS, "etcdserver: corrupt cluster", Kind::kFatal, Remedy::kNone, Kind::kFatal,
            Remedy::kNone},
           {StatusCode::OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", Kind::kUnavailable,
            Remedy::kNone, Kind::kUnavailable, Remedy::kNone},
           // Uncertain: the quota is also checked by an applier that applies first and complains then.
           {StatusCode::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", Kind::kUnknown, Remedy::kNone,
            Kind::kUnavailable, Remedy::kNone},
           // Uncertain: after the proposal.
           {StatusCode::UNAVAILABLE, "etcdserver: request timed out", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
           {StatusCode::UNAVAILABLE, "etcdserver: request timed out, possibly due to previous leader failure",
            Kind::kUnknown, Remedy::kNone, Kind::kUnavailable, Remedy::kElsewhere},
           {StatusCode::UNAVAILABLE, "etcdserver: request timed out, possibly due to connection lost", Kind::kUnknown,
            Remedy::kNone, Kind::kUnavailable, Remedy::kElsewhere},
           {StatusCode::UNAVAILABLE, "etcdserver: leader changed", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
           {StatusCode::UNAVAILABLE, "etcdserver: server stopped", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
           {StatusCode::UNKNOWN, "raft proposal dropped", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
           // Uncertain: gRPC's own.
           {StatusCode::UNAVAILABLE, "Socket closed", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
           {StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
           {StatusCode::CANCELLED, "context canceled", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
           {StatusCode::UNIMPLEMENTED, "Received http2 header with status: 404", Kind::kUnknown, Remedy::kNone,
            Kind::kUnavailable, Remedy::kElsewhere},
           // Our own limit: the answer was too large, so the request had arrived.
           {StatusCode::RESOURCE_EXHAUSTED, "Received message larger than max (99 vs. 64)", Kind::kUnknown,
            Remedy::kNone, Kind::kUnavailable, Remedy::kElsewhere},
           // A known text with something added is not the known error.
           {StatusCode::UNAVAILABLE, "etcdserver: no leader, or so", Kind::kUnknown, Remedy::kNone, Kind::kUnavailable,
            Remedy::kElsewhere},
       }) {
    const EtcdVerdict commit = of_commit(row.code, row.message);
    EXPECT_EQ(commit.error.kind, row.commit) << row.message;
    EXPECT_EQ(commit.remedy, row.commit_remedy) << row.message;
    const EtcdVerdict read = of_read(row.code, row.message);
    EXPECT_EQ(read.error.kind, row.read) << row.message;
    EXPECT_EQ(read.remedy, row.read_remedy) << row.message;
    EXPECT_THAT(commit.error.text, HasSubstr("a:2379"));
    EXPECT_THAT(commit.error.text, HasSubstr(row.message));
  }
}

TEST(EtcdError, AnUnknownCommitIsNeverToBeRepeated) {
  for (int code = 1; code <= 16; ++code)
    for (const char* message : {"", "anything", "etcdserver: something new"}) {
      const EtcdVerdict verdict = of_commit(code, message);
      EXPECT_EQ(verdict.error.kind, Kind::kUnknown) << code << message;
      EXPECT_EQ(verdict.remedy, Remedy::kNone) << code << message;
    }
}

TEST(EtcdError, WhatNeverLeftHasNoEffect) {
  for (int code = 1; code <= 16; ++code)
    EXPECT_EQ(of_commit(code, "whatever", false).error.kind, Kind::kUnavailable) << code;
}

TEST(EtcdError, TextsSayWhatToDo) {
  using grpc::StatusCode;
  const auto text = [](int code, std::string_view message) { return of_commit(code, message).error.text; };
  EXPECT_THAT(text(StatusCode::INVALID_ARGUMENT, "etcdserver: too many operations in txn request"),
              testing::AllOf(HasSubstr("has 300"), HasSubstr("--max-txn-ops=1024")));
  EXPECT_THAT(judge({StatusCode::INVALID_ARGUMENT, "etcdserver: too many operations in txn request", true, true, 2000,
                     "a:1", "", ""})
                  .error.text,
              HasSubstr("--max-txn-ops=2000"));
  EXPECT_THAT(text(StatusCode::PERMISSION_DENIED, "etcdserver: permission denied"),
              testing::AllOf(HasSubstr("\"gn\""), HasSubstr("gnomon/"), HasSubstr("grant-permission")));
  EXPECT_THAT(text(StatusCode::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"),
              testing::AllOf(HasSubstr("compact"), HasSubstr("defrag"), HasSubstr("disarm")));
  EXPECT_THAT(text(StatusCode::INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password"),
              HasSubstr("store.password_file"));
}

TEST(EtcdError, TroubleWithCertificatesIsNamedAsFarAsGrpcTells) {
  const std::string before = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:2379: ";
  for (const auto& [message, part] : {
           std::pair{"Ssl handshake failed: SSL_ERROR_SSL: error:0A000086:SSL routines::certificate verify failed",
                     "store.ca_file"},
           {"Peer name 127.0.0.1 is not in peer certificate", "another name"},
           {"Ssl handshake failed: SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong version number", "http://"},
           {"Endpoint read failed", "store.cert_file"},
           {"Socket closed", "store.cert_file"},
           {"Failed to connect to remote host: Connection refused", "nothing listens"},
       })
    EXPECT_THAT(of_read(grpc::StatusCode::UNAVAILABLE, before + message).error.text, HasSubstr(part)) << message;
  EXPECT_EQ(of_read(grpc::StatusCode::UNAVAILABLE, "Socket closed").error.text.find("store.cert_file"),
            std::string::npos)
      << "a connection that was up proves that the certificates were right";
}

}  // namespace
}  // namespace gnomon::control
