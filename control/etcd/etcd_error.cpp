// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_error.hpp"

#include <grpcpp/support/status_code_enum.h>

#include <algorithm>
#include <array>

namespace gnomon::control {
namespace {

using Kind = StoreErrorKind;

/// An error that etcd names itself.
struct Known {
  std::string_view message;  // whole, as etcd writes it
  Kind kind;                 // kUnknown: of a commit; a read with this error is kUnavailable
  EtcdRemedy remedy;
  std::string_view advice;
};

constexpr std::string_view kTooManyOperations = "etcdserver: too many operations in txn request";
constexpr std::string_view kPermissionDenied = "etcdserver: permission denied";
constexpr std::string_view kAuthFailed = "etcdserver: authentication failed, invalid user ID or password";
constexpr std::string_view kSplitRequest =
    "raise its --max-request-bytes, or let gnomond have fewer workers or machine ids";
constexpr std::string_view kOurFault = "this is a fault in gnomon: report it";

constexpr std::array kKnown{
    Known{"etcdserver: no leader", Kind::kUnavailable, EtcdRemedy::kElsewhere,
          "the cluster has lost its majority or is electing a leader, or this member is cut off from the others"},
    Known{"etcdserver: not capable", Kind::kUnavailable, EtcdRemedy::kElsewhere, "this member is still starting"},
    Known{"etcdserver: rpc not supported for learner", Kind::kUnavailable, EtcdRemedy::kElsewhere,
          "this member is a learner: name voting members as endpoints, or promote it"},
    Known{"etcdserver: too many requests", Kind::kUnavailable, EtcdRemedy::kElsewhere,
          "this member is overloaded: its disk or processor is too slow for what is asked of it"},
    Known{kTooManyOperations, Kind::kFatal, EtcdRemedy::kNone, ""},
    Known{"etcdserver: duplicate key given in txn request", Kind::kFatal, EtcdRemedy::kNone, kOurFault},
    Known{"etcdserver: key is not provided", Kind::kFatal, EtcdRemedy::kNone, kOurFault},
    Known{"etcdserver: request is too large", Kind::kFatal, EtcdRemedy::kNone, kSplitRequest},
    // Also after the transaction was applied, see the header: the one refusal that proves nothing.
    Known{"etcdserver: mvcc: database space exceeded", Kind::kUnknown, EtcdRemedy::kNone,
          "the database has reached --quota-backend-bytes: compact it (etcdctl compact REVISION), shrink it (etcdctl "
          "defrag, each member), then end the alarm (etcdctl alarm disarm), and set --auto-compaction-retention"},
    Known{"etcdserver: mvcc: required revision has been compacted", Kind::kUnavailable, EtcdRemedy::kNone, ""},
    Known{"etcdserver: invalid auth token", Kind::kUnavailable, EtcdRemedy::kNewToken, ""},
    Known{"etcdserver: revision of auth store is old", Kind::kUnavailable, EtcdRemedy::kNewToken, ""},
    Known{"auth: revision in header is old", Kind::kUnavailable, EtcdRemedy::kNewToken, ""},
    Known{"etcdserver: user name is empty", Kind::kUnavailable, EtcdRemedy::kNewToken,
          "the cluster asks for a login: set store.user and store.password_file, or show a client certificate"},
    Known{kAuthFailed, Kind::kUnavailable, EtcdRemedy::kNone, ""},
    Known{kPermissionDenied, Kind::kUnavailable, EtcdRemedy::kNone, ""},
    Known{"etcdserver: corrupt cluster", Kind::kFatal, EtcdRemedy::kNone,
          "its members disagree about what they hold: follow etcd's guide to data corruption, then `gnomon control "
          "recover`"},
};

struct Hint {
  std::string_view part;  // of gRPC's message
  std::string_view advice;
};

constexpr std::string_view kCutAtOnce =
    "it ended the connection at once: check http:// against https://, and whether it asks for a client certificate "
    "that "
    "its CA has signed and that is not expired (store.cert_file, store.key_file)";

// What gRPC and the TLS library say when a connection fails. Their words are no interface, so an unknown one is passed
// on as it is.
constexpr std::array kHints{
    Hint{"certificate verify failed",
         "its certificate does not pass: it is not signed by the CA in store.ca_file, or it has expired, or this "
         "host's clock is wrong"},
    Hint{"Peer name ",
         "its certificate is made out to another name: use a host name or address that stands in it, or reissue it"},
    Hint{"ostname ",
         "its certificate is made out to another name: use a host name or address that stands in it, or reissue it"},
    Hint{"wrong version number", "it does not speak TLS: write http:// if that is meant"},
    Hint{"certificate required", "it asks for a client certificate: set store.cert_file and store.key_file"},
    Hint{"bad certificate",
         "it asks for a client certificate that its CA has signed: check store.cert_file and store.key_file"},
    Hint{"unknown ca", "it does not know the CA of the client certificate in store.cert_file"},
    Hint{"certificate expired", "the client certificate in store.cert_file has expired"},
    Hint{"Connection refused", "nothing listens there: is etcd running, and is that its client port?"},
    Hint{"DNS resolution failed", "the host name can't be resolved"},
    Hint{"Domain name not found", "the host name can't be resolved"},
    Hint{"unknown service", "it is not etcd 3.4 or later: use etcd's client port, not its peer port"},
    Hint{"Socket closed", kCutAtOnce},
    Hint{"Endpoint read failed", kCutAtOnce},
    Hint{"Connection reset by peer", kCutAtOnce},
    Hint{"empty address list", "the TLS files can't be used: does store.key_file belong to store.cert_file?"},
    Hint{"Failed parsing HTTP/2", "it is no gRPC server: check the port, and http:// against https://"},
    Hint{"http1.x server", "it answers something else than gRPC: write https:// if it speaks TLS, and check the port"},
};

std::string_view advice_for(std::string_view message) {
  // A connection that was up and ended says nothing about how it was set up.
  const bool was_never_up = message.find("failed to connect") != std::string_view::npos;
  const auto* const hint = std::find_if(kHints.begin(), kHints.end(), [&](const Hint& each) {
    return message.find(each.part) != std::string_view::npos && (was_never_up || each.advice != kCutAtOnce);
  });
  return hint == kHints.end() ? std::string_view() : hint->advice;
}

std::string sentence(const EtcdFailure& failure, std::string_view advice) {
  std::string text = "etcd at " + std::string(failure.endpoint) + " answered: " + std::string(failure.message);
  if (!advice.empty()) text += "; " + std::string(advice);
  return text;
}

std::string advice_of(const Known& known, const EtcdFailure& failure) {
  const std::string user = failure.user.empty() ? "the user of its client certificate, or nobody"
                                                : "user \"" + std::string(failure.user) + '"';
  if (known.message == kTooManyOperations)
    return "the transaction has " + std::to_string(failure.operations) + ": start every member with --max-txn-ops=" +
           std::to_string(std::max<std::size_t>(failure.operations, 1024)) + " or more";
  if (known.message == kAuthFailed) return "check store.user (" + user + ") and store.password_file";
  if (known.message == kPermissionDenied) {
    const std::string prefix(failure.prefix);
    return user + " lacks the right to read or write keys under " + prefix +
           ": etcdctl role grant-permission ROLE readwrite --prefix " + prefix;
  }
  return std::string(known.advice);
}

/// Errors of gRPC as such, where etcd's program had no say.
EtcdVerdict judge_transport(const EtcdFailure& failure) {
  const bool unread = failure.code == grpc::StatusCode::RESOURCE_EXHAUSTED &&
                      failure.message.starts_with("grpc: received message larger than max");  // the server's words
  if (unread) return {{Kind::kFatal, sentence(failure, kSplitRequest)}, EtcdRemedy::kNone};
  const bool unknown_method =
      failure.code == grpc::StatusCode::UNIMPLEMENTED &&
      (failure.message.starts_with("unknown service") || failure.message.starts_with("unknown method"));
  const bool certain = !failure.may_have_left || unknown_method;
  const std::string_view advice = advice_for(failure.message);
  if (!certain && failure.is_commit)
    return {{Kind::kUnknown, "etcd at " + std::string(failure.endpoint) +
                                 " did not say what became of the transaction: " + std::string(failure.message)},
            EtcdRemedy::kNone};
  std::string text =
      "etcd at " + std::string(failure.endpoint) +
      (failure.code == grpc::StatusCode::DEADLINE_EXCEEDED ? " did not answer in time: " : " can't be asked: ") +
      std::string(failure.message);
  if (!advice.empty()) text += "; " + std::string(advice);
  return {{Kind::kUnavailable, std::move(text)}, EtcdRemedy::kElsewhere};
}

}  // namespace

EtcdVerdict judge(const EtcdFailure& failure) {
  const auto* const known = std::find_if(kKnown.begin(), kKnown.end(),
                                         [&failure](const Known& each) { return each.message == failure.message; });
  if (known == kKnown.end()) return judge_transport(failure);
  const Kind kind = known->kind == Kind::kUnknown && (!failure.is_commit || !failure.may_have_left) ? Kind::kUnavailable
                                                                                                    : known->kind;
  return {{kind, sentence(failure, advice_of(*known, failure))}, known->remedy};
}

}  // namespace gnomon::control
