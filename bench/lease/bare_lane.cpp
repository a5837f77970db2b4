// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/bare_lane.hpp"

#include <fmt/core.h>
#include <grpcpp/client_context.h>

#include <chrono>

#include "bench/paired.hpp"
#include "control/etcd/etcd_codec.hpp"
#include "etcd/v3/etcd.grpc.pb.h"

namespace gnomon::bench {
namespace {

namespace pb = etcdserverpb;

constexpr std::chrono::seconds kPatience{60};

}  // namespace

control::Transaction& BareLane::prepared(Command command, std::size_t k) {
  const auto [at, is_new] = transactions_.try_emplace({command, k});
  if (!is_new) return at->second;
  at->second = shapes_.at(command);
  const std::string prefix = fmt::format("{}{:02}/", prefix_, k);
  for (control::Compare& compare : at->second.compares)
    compare.key.insert(0, prefix);
  for (control::Put& put : at->second.puts)
    put.key.insert(0, prefix);
  for (std::string& key : at->second.deletes)
    key.insert(0, prefix);
  return at->second;
}

void BareLane::run(Command command, std::size_t k) {
  control::Transaction& transaction = prepared(command, k);
  for (control::Compare& compare : transaction.compares)
    compare.modified = revisions_[compare.key];
  const control::Revision revision = commit_(transaction);
  for (const control::Put& put : transaction.puts)
    revisions_[put.key] = revision;
  for (const std::string& key : transaction.deletes)
    revisions_[key] = {};
}

OnePutLane::OnePutLane(BareLane::Commit commit, std::string key, std::size_t value_bytes)
    : commit_(std::move(commit)), put_{{}, {{std::move(key), std::string(value_bytes, 'x')}}, {}} {}

void OnePutLane::run(Command /*command*/, std::size_t /*k*/) { (void)commit_(put_); }

BareLane::Commit bare_etcd(const std::shared_ptr<grpc::Channel>& channel) {
  const std::shared_ptr<pb::KV::Stub> stub = pb::KV::NewStub(channel);
  return [stub](const control::Transaction& transaction) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    pb::TxnResponse response;
    const grpc::Status status = stub->Txn(&context, control::to_request(transaction, {}), &response);
    if (!status.ok()) die("a bare transaction failed: " + status.error_message());
    if (!response.succeeded()) die("somebody else writes the keys of this bench");
    return control::Revision{static_cast<std::uint64_t>(response.header().revision())};
  };
}

BareLane::Commit bare_store(control::Store& store) {
  return [&store](const control::Transaction& transaction) {
    const auto revision = store.commit(transaction);
    if (!revision) die(revision.error().text);
    return *revision;
  };
}

}  // namespace gnomon::bench
