// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_codec.hpp"

#include <algorithm>

#include "oracle/lease/last_revision.hpp"

namespace gnomon::control {

namespace pb = etcdserverpb;

std::string range_end_of(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff')
    end.pop_back();
  if (end.empty()) return std::string(1, '\0');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

std::string without_prefix(std::string_view key, std::string_view prefix) {
  return std::string(key.substr(std::min(prefix.size(), key.size())));
}

bool is_revision(std::int64_t revision) {
  return revision >= 0 && static_cast<std::uint64_t>(revision) <= lease::kLastRevision.value;
}

std::string impossible_text(std::string_view what) {
  return "what answers in etcd's name says " + std::string(what) +
         " at a revision that no store can have: look at what listens there";
}

Entry to_entry(const pb::KeyValue& value, std::string_view prefix) {
  return {without_prefix(value.key(), prefix), value.value(), {static_cast<std::uint64_t>(value.mod_revision())}};
}

pb::TxnRequest to_request(const Transaction& transaction, std::string_view prefix) {
  const std::string start(prefix);
  pb::TxnRequest request;
  for (const Compare& each : transaction.compares) {
    pb::Compare& compare = *request.add_compare();
    compare.set_result(pb::Compare::EQUAL);
    compare.set_target(pb::Compare::MOD);
    compare.set_key(start + each.key);
    compare.set_mod_revision(static_cast<std::int64_t>(each.modified.value));
    pb::RangeRequest& read = *request.add_failure()->mutable_request_range();
    read.set_key(start + each.key);
    read.set_keys_only(true);
  }
  for (const Put& each : transaction.puts) {
    pb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(start + each.key);
    put.set_value(each.value);
  }
  for (const std::string& key : transaction.deletes)
    request.add_success()->mutable_request_delete_range()->set_key(start + key);
  return request;
}

std::string conflict_text(const Transaction& transaction, const pb::TxnResponse& response) {
  for (std::size_t i = 0; i < transaction.compares.size(); ++i) {
    if (static_cast<int>(i) >= response.responses_size()) break;
    const pb::RangeResponse& found = response.responses(static_cast<int>(i)).response_range();
    const std::int64_t revision = found.kvs().empty() ? 0 : found.kvs(0).mod_revision();
    if (static_cast<std::uint64_t>(revision) != transaction.compares[i].modified.value)
      return transaction.compares[i].key + " was changed meanwhile";
  }
  return "a key that the transaction relied on was changed meanwhile";
}

}  // namespace gnomon::control
