// SPDX-License-Identifier: Apache-2.0
//
// Between the store's plain data and etcd's messages: keys with and without the prefix, ranges, transactions.
#pragma once

#include <string>
#include <string_view>

#include "control/store.hpp"
#include "etcd/v3/etcd.pb.h"

namespace gnomon::control {

/// The end, exclusive, of the range of all keys that begin with `prefix`: etcd's "\0" if there is none.
[[nodiscard]] std::string range_end_of(std::string_view prefix);

/// `key` without the store's prefix, which it has because we asked for a range below it.
[[nodiscard]] std::string without_prefix(std::string_view key, std::string_view prefix);

/// Whether a store can stand there: what answers in etcd's name may say anything, and a token is made of this.
[[nodiscard]] bool is_revision(std::int64_t revision);
/// Of something at a revision that isn't one: "that a transaction was committed".
[[nodiscard]] std::string impossible_text(std::string_view what);

[[nodiscard]] Entry to_entry(const etcdserverpb::KeyValue& value, std::string_view prefix);

/// One Txn. If a compare fails, it reads the compared keys, so that the conflict can be named.
[[nodiscard]] etcdserverpb::TxnRequest to_request(const Transaction& transaction, std::string_view prefix);

/// The keys whose revision was not the compared one, for people: "right/m/7/grant was changed meanwhile".
[[nodiscard]] std::string conflict_text(const Transaction& transaction, const etcdserverpb::TxnResponse& response);

}  // namespace gnomon::control
