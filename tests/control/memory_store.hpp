// SPDX-License-Identifier: Apache-2.0
//
// The store interface in its plainest form, for tests: a map, and a revision that grows by every commit.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "control/change_log.hpp"
#include "control/store.hpp"

namespace gnomon::control {

class MemoryStore final : public Store {
 public:
  tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override {
    const auto at = entries_.find(std::string(key));
    return at == entries_.end() ? std::optional<Entry>{} : at->second;
  }
  tl::expected<Listing, StoreError> list(std::string_view prefix) override {
    Listing listing{revision_, {}};
    for (const auto& [key, entry] : entries_)
      if (key.starts_with(prefix)) listing.entries.push_back(entry);
    return listing;
  }
  tl::expected<Revision, StoreError> commit(const Transaction& transaction) override {
    for (const Compare& compare : transaction.compares) {
      const auto at = entries_.find(compare.key);
      if ((at == entries_.end() ? Revision{} : at->second.modified) != compare.modified)
        return tl::make_unexpected(StoreError{StoreErrorKind::kConflict, "compare failed: " + compare.key});
    }
    ++revision_.value;
    for (const Put& put : transaction.puts)
      entries_[put.key] = {put.key, put.value, revision_};
    for (const std::string& key : transaction.deletes)
      entries_.erase(key);
    log_.record(transaction, revision_);
    return revision_;
  }
  std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override { return log_.watch(prefix, after); }

  /// All of it, to be put back later: what restoring a backup does to a store.
  struct Image {
    std::map<std::string, Entry> entries;
    Revision revision;
  };
  [[nodiscard]] Image image() const { return {entries_, revision_}; }
  void restore(Image image) {
    entries_ = std::move(image.entries);
    revision_ = image.revision;
    log_ = ChangeLog(revision_);
  }

 private:
  std::map<std::string, Entry> entries_;
  Revision revision_;
  ChangeLog log_;
};

}  // namespace gnomon::control
