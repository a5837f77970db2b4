// SPDX-License-Identifier: Apache-2.0
//
// The third store: a map with revisions in memory. It is linearizable and never fails by itself; what can go wrong on
// the way to a store and back (delays, lost answers, late landings) is the business of store_link.hpp and
// store_door.hpp. What can go wrong with its data is that an image of an older state is put in its place.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "control/change_log.hpp"
#include "control/store.hpp"

namespace gnomon::sim {

class SimulatedStore : public control::Store {
 public:
  [[nodiscard]] tl::expected<std::optional<control::Entry>, control::StoreError> get(std::string_view key) override;
  [[nodiscard]] tl::expected<control::Listing, control::StoreError> list(std::string_view prefix) override;
  [[nodiscard]] tl::expected<control::Revision, control::StoreError> commit(
      const control::Transaction& transaction) override;
  /// Real threads would wait in it: what a watch is for, the simulator does by events.
  [[nodiscard]] std::unique_ptr<control::Watch> watch(std::string_view prefix, control::Revision after) override {
    return log_.watch(prefix, after);
  }

  [[nodiscard]] const control::Entry* find(std::string_view key) const;
  [[nodiscard]] control::Revision at() const { return {revision_}; }

  /// All of it: what a backup holds.
  struct Image {
    std::map<std::string, control::Entry, std::less<>> entries;
    std::uint64_t revision = 0;
  };
  [[nodiscard]] Image image() const { return {entries_, revision_}; }
  void restore(const Image& image) {
    entries_ = image.entries;
    revision_ = image.revision;
    log_ = control::ChangeLog({revision_});
  }

 private:
  std::map<std::string, control::Entry, std::less<>> entries_;
  std::uint64_t revision_ = 0;
  control::ChangeLog log_;
};

}  // namespace gnomon::sim
