// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as what etcd answers: protobufs of ranges, transactions and watches, and the words of
// its errors. Demanded:
//
//   - an entry has the key without our prefix, its value, and its revision; one that no store can have is read as
//     damage where entries are read (stored_fuzz.cpp), and refused where a commit or a watch says it;
//   - a conflict is named, whatever is missing in the answer;
//   - a transaction compares every key that it relied on, and reads it when it fails;
//   - a commit of which nobody knows what became of it is never called harmless, nor sent once more; each verdict has a
//     sentence.
//
// Input: a byte that says which message, then the message. Of an error the first byte is its code, the next its
// circumstances, the rest its text.
#include <grpcpp/support/status_code_enum.h>

#include <algorithm>
#include <string>

#include "control/etcd/etcd_codec.hpp"
#include "control/etcd/etcd_error.hpp"
#include "control/protobuf_log.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace)
namespace pb = etcdserverpb;

constexpr std::size_t kMaxInput = 2048;
constexpr std::string_view kPrefix = "gnomon/";

void judge_range(const std::string& bytes) {
  pb::RangeResponse response;
  if (!response.ParseFromString(bytes)) return note("no message");
  for (const pb::KeyValue& value : response.kvs()) {
    const Entry entry = to_entry(value, kPrefix);
    demand(value.key().size() < kPrefix.size() || entry.key.size() == value.key().size() - kPrefix.size(),
           "a longer key");
    demand(entry.value == value.value(), "another value");
    const std::string key = std::string(kPrefix) + entry.key;
    demand(!value.key().starts_with(kPrefix) || key == value.key(), "another key");
    demand(
        !is_revision(value.mod_revision()) || entry.modified.value == static_cast<std::uint64_t>(value.mod_revision()),
        "another revision");
    note("entry");
  }
  const std::string end = range_end_of(bytes);
  if (bytes.find_first_not_of('\xff') == std::string::npos)
    demand(end == std::string(1, '\0'), "a range without an end has one");
  else
    demand(end > bytes && !end.starts_with(bytes) && end > bytes + "\xff\xff", "a range ends before its last key");
}

void judge_transaction(const std::string& bytes) {
  pb::TxnResponse response;
  if (!response.ParseFromString(bytes)) return note("no message");
  Transaction transaction;
  transaction.compares = {{"right/m/00007/grant", {5}}, {"right/m/00007/window", {0}}, {"meta/store", {UINT64_MAX}}};
  transaction.puts = {{"right/m/00007/window", "value"}};
  transaction.deletes = {"session/00"};
  const std::string text = conflict_text(transaction, response);
  const bool names_one = std::any_of(transaction.compares.begin(), transaction.compares.end(),
                                     [&](const lease::Compare& each) { return text.starts_with(each.key + " was"); });
  demand(names_one || text.starts_with("a key that"), "a conflict without a name");
  note(names_one ? "named conflict" : "conflict");
  const pb::TxnRequest request = to_request(transaction, kPrefix);
  demand(request.compare_size() == 3 && request.failure_size() == 3 && request.success_size() == 2,
         "another transaction");
}

void judge_watch(const std::string& bytes) {
  pb::WatchResponse response;
  if (!response.ParseFromString(bytes)) return note("no message");
  for (const pb::Event& event : response.events()) {
    const Entry entry = to_entry(event.kv(), kPrefix);
    demand(entry.value == event.kv().value(), "another value");
    note("event");
  }
}

void judge_error(const std::string& bytes) {
  if (bytes.size() < 2) return note("no message");
  const auto how = static_cast<unsigned char>(bytes[1]);
  EtcdFailure failure{.code = static_cast<unsigned char>(bytes[0]) % 18,
                      .message = std::string_view(bytes).substr(2),
                      .may_have_left = (how & 1U) != 0,
                      .is_commit = (how & 2U) != 0,
                      .operations = how,
                      .endpoint = "h:2379",
                      .user = (how & 4U) != 0 ? "ids" : "",
                      .prefix = kPrefix};
  const EtcdVerdict verdict = judge(failure);
  demand(!verdict.error.text.empty() && verdict.error.text.find("h:2379") != std::string::npos, "no sentence");
  demand(verdict.error.kind != StoreErrorKind::kConflict, "an error that is a conflict");
  if (verdict.error.kind == StoreErrorKind::kUnknown) {
    demand(failure.is_commit && failure.may_have_left, "the outcome of nothing is unknown");
    demand(verdict.remedy == EtcdRemedy::kNone, "a commit that may have happened is sent once more");
    note("unknown");
  } else {
    note(verdict.error.kind == StoreErrorKind::kFatal ? "fatal" : "unavailable");
  }
  if (verdict.remedy == EtcdRemedy::kElsewhere) note("elsewhere");
  if (verdict.remedy == EtcdRemedy::kNewToken) note("new token");
  // A text that etcd never writes proves nothing of a commit that was sent, but for a server that is none of etcd's.
  const bool by_etcd = failure.message.starts_with("etcdserver: ") || failure.message.starts_with("auth: ") ||
                       failure.message.starts_with("unknown ") ||
                       failure.message.starts_with("grpc: received message larger than max");
  demand(by_etcd || !failure.is_commit || !failure.may_have_left || verdict.error.kind == StoreErrorKind::kUnknown,
         "a commit that may have happened is said not to have");
}

}  // namespace

Plan plan() {
  return {.longest = kMaxInput,
          .outcomes = {"no message", "entry", "named conflict", "conflict", "event", "unknown", "fatal", "unavailable",
                       "elsewhere", "new token"},
          .changed_inputs = 60'000};
}

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> all;
  const auto add = [&](const std::string& name, std::uint8_t kind, const std::string& bytes) {
    all[name] = Input{kind};
    all[name].insert(all[name].end(), bytes.begin(), bytes.end());
  };
  pb::RangeResponse range;
  range.mutable_header()->set_revision(9);
  pb::KeyValue& value = *range.add_kvs();
  value.set_key("gnomon/right/m/00007/window");
  value.set_value("window 1");
  value.set_mod_revision(5);
  add("range", 0, range.SerializeAsString());
  range.mutable_kvs(0)->set_mod_revision(-1);
  range.mutable_kvs(0)->set_key("gno");
  add("range_of_another_store", 0, range.SerializeAsString());
  add("range_of_nothing", 0, "");
  pb::TxnResponse conflict;
  conflict.add_responses()->mutable_response_range()->add_kvs()->set_mod_revision(5);
  conflict.add_responses()->mutable_response_range()->add_kvs()->set_mod_revision(6);
  add("conflict", 1, conflict.SerializeAsString());
  add("conflict_without_a_word", 1, "");
  conflict.mutable_responses(1)->mutable_response_range()->clear_kvs();
  add("conflict_that_is_none", 1, conflict.SerializeAsString());
  pb::WatchResponse watch;
  watch.mutable_header()->set_revision(12);
  watch.set_watch_id(1);
  *watch.add_events()->mutable_kv() = value;
  watch.add_events()->set_type(pb::Event::DELETE);
  add("events", 2, watch.SerializeAsString());
  const auto error = [&](const std::string& name, int code, char how, const std::string& text) {
    add(name, 3, std::string(1, static_cast<char>(code)) + how + text);
  };
  error("commit_without_a_leader", grpc::StatusCode::UNAVAILABLE, 3, "etcdserver: no leader");
  error("commit_timed_out", grpc::StatusCode::UNAVAILABLE, 3, "etcdserver: request timed out");
  error("commit_beyond_the_quota", grpc::StatusCode::RESOURCE_EXHAUSTED, 3,
        "etcdserver: mvcc: database space exceeded");
  error("commit_too_large", grpc::StatusCode::INVALID_ARGUMENT, 3, "etcdserver: too many operations in txn request");
  error("commit_never_sent", grpc::StatusCode::UNAVAILABLE, 2,
        "failed to connect to all addresses; Connection refused");
  error("old_token", grpc::StatusCode::UNAUTHENTICATED, 7, "etcdserver: invalid auth token");
  error("permission_denied", grpc::StatusCode::PERMISSION_DENIED, 7, "etcdserver: permission denied");
  error("read_timed_out", grpc::StatusCode::DEADLINE_EXCEEDED, 1, "Deadline Exceeded");
  error("not_etcd", grpc::StatusCode::UNIMPLEMENTED, 3, "unknown service etcdserverpb.KV");
  error("larger_than_it_reads", grpc::StatusCode::RESOURCE_EXHAUSTED, 3,
        "grpc: received message larger than max (5 vs. 4)");
  return all;
}

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  gnomon::control::keep_protobuf_quiet();
  if (size > kMaxInput) return -1;
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: judge_range(bytes); break;
    case 1: judge_transaction(bytes); break;
    case 2: judge_watch(bytes); break;
    default: judge_error(bytes); break;
  }
  return 0;
}
