// SPDX-License-Identifier: Apache-2.0
//
// The rules of rights at work on the smallest store that can be, for the tests of oracle/lease.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/lease/right_rules.hpp"

namespace gnomon::lease {

using mint::MachineId;
using time::milliseconds;
using time::seconds;
using time::SmearedUtc;

constexpr SmearedUtc kNow{1'800'000'000'000'000'000};

// The smallest store that can be: applies a transaction if its compares hold.
class Shelf {
 public:
  std::optional<Revision> commit(const Transaction& transaction) {
    for (const Compare& compare : transaction.compares)
      if (revision_of(compare.key) != compare.modified) return std::nullopt;
    ++revision.value;
    for (const Put& put : transaction.puts)
      entries[put.key] = {put.key, put.value, revision};
    for (const std::string& key : transaction.deletes)
      entries.erase(key);
    return revision;
  }
  Revision revision_of(const std::string& key) const {
    const auto at = entries.find(key);
    return at == entries.end() ? Revision{} : at->second.modified;
  }
  Listing list(std::string_view prefix = "") const {
    Listing listing{revision, {}};
    for (const auto& [key, entry] : entries)
      if (key.starts_with(prefix)) listing.entries.push_back(entry);
    return listing;
  }
  RightTable table() const { return read_rights(list(kRightPrefix).entries); }
  Window window(std::uint16_t machine) const { return table().find({machine})->window->value; }

  std::map<std::string, Entry> entries;
  Revision revision{100};
};

class Rules : public testing::Test {
 protected:
  Claim claim(std::uint8_t who = 1) {
    Claim claim{"test", {}, {}};
    claim.incarnation.fill(who);
    claim.nonce = next_nonce();
    return claim;
  }
  Nonce next_nonce() {
    Nonce nonce{};
    ++nonces_;
    for (std::size_t i = 0; i < 8; ++i)
      nonce[i] = static_cast<std::uint8_t>(nonces_ >> (8 * i));
    return nonce;
  }
  HeldRight take(std::uint16_t machine, SmearedUtc now, std::uint8_t who = 1) {
    const MachineId id{machine};
    const Transaction transaction = acquire(shelf.table(), policy, now, std::span(&id, 1), claim(who));
    const auto revision = shelf.commit(transaction);
    EXPECT_TRUE(revision);
    return held_after(transaction, id, *revision, nullptr, policy.store.epoch);
  }
  HeldRight prolong(const HeldRight& right, SmearedUtc now) {
    const Transaction transaction = extend(std::span(&right, 1), policy, now, next_nonce());
    const auto revision = shelf.commit(transaction);
    EXPECT_TRUE(revision);
    return held_after(transaction, right.machine, *revision, &right, policy.store.epoch);
  }
  bool give_back(const HeldRight& right, SmearedUtc used_until) {
    const Used used{right, used_until};
    return shelf.commit(release(std::span(&used, 1), policy, next_nonce())).has_value();
  }
  std::vector<std::uint16_t> chosen(SmearedUtc now, std::uint32_t wanted, std::vector<MachineId> excluded = {},
                                    std::uint8_t who = 9) {
    Nonce incarnation{};
    incarnation.fill(who);
    const auto ids = choose_free(shelf.table(), policy, now, wanted, excluded, incarnation);
    std::vector<std::uint16_t> values;
    if (ids)
      for (const MachineId id : *ids)
        values.push_back(id.value);
    return values;
  }

  Shelf shelf;
  RightPolicy policy{.store = {.identity = {}, .epoch = 5, .floor = {}},
                     .window = seconds(10),
                     .max_lead = milliseconds(1000),
                     .machine_ids = 4,
                     .exclusive_store = true};
  std::uint64_t nonces_ = 0;
};

}  // namespace gnomon::lease
