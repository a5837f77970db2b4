// SPDX-License-Identifier: Apache-2.0
#include "bench/control_plane/bare_transaction.hpp"

#include <grpcpp/client_context.h>

#include "bench/control_plane/right_holder.hpp"
#include "bench/paired.hpp"
#include "control/etcd/etcd_deadline.hpp"

namespace gnomon::bench {
namespace {

namespace pb = etcdserverpb;

constexpr time::Duration kPatience = time::seconds(60);

}  // namespace

BareTransaction::BareTransaction(const std::shared_ptr<grpc::Channel>& channel, const std::string& key,
                                 const std::string& value, std::size_t compares, std::size_t puts)
    : stub_(pb::KV::NewStub(channel)), puts_(static_cast<int>(puts)) {
  pb::TxnRequest first;
  for (std::size_t i = 0; i < compares; ++i) {
    const std::string name = key + "/" + std::to_string(i);
    pb::PutRequest& put = *first.add_success()->mutable_request_put();
    put.set_key(name);
    put.set_value(value);
    pb::Compare& compare = *request_.add_compare();
    compare.set_key(name);
    compare.set_target(pb::Compare::MOD);
    compare.set_result(pb::Compare::EQUAL);
    if (i < puts) *request_.add_success()->mutable_request_put() = put;
  }
  send(first);
  for (pb::Compare& compare : *request_.mutable_compare())
    compare.set_mod_revision(response_.header().revision());
}

void BareTransaction::send(const pb::TxnRequest& request) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(control::EtcdDeadline::in(kPatience).for_grpc());
  response_.Clear();
  const grpc::Status status = stub_->Txn(&context, request, &response_);
  if (!status.ok()) die("a bare transaction failed: " + status.error_message());
  if (!response_.succeeded()) die("somebody else writes the keys of this bench");
}

std::int64_t BareTransaction::commit() {
  const std::int64_t begun = now_ns();
  send(request_);
  const std::int64_t took = now_ns() - begun;
  for (int i = 0; i < puts_; ++i)
    request_.mutable_compare(i)->set_mod_revision(response_.header().revision());
  return took;
}

}  // namespace gnomon::bench
