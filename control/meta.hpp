// SPDX-License-Identifier: Apache-2.0
//
// What a store says about itself, and the layouts that it keeps:
//
//   meta/store    {id, machine, epoch}: which store this is, the machine it is bound to, the upper part of all tokens.
//                 Rewritten by `adopt` and `recover` only; every commit compares its revision.
//   meta/floor    {floor}: no window of any machine id starts below it. Set by a recovery, which can't know all windows
//                 that were ever granted, and compared with every id, used or not.
//   layout/<n>    a custom layout, immutable: an ID means the same for ever.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/state_error.hpp"
#include "control/store.hpp"
#include "oracle/id/layout.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/lease/text_value.hpp"

namespace gnomon::control {

constexpr std::string_view kFloorKey = "meta/floor";
constexpr std::string_view kLayoutPrefix = "layout/";

struct StoreIdentity {
  Nonce id{};       // random, for life
  Nonce machine{};  // hash of the machine's id
  std::uint16_t epoch = 1;
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

[[nodiscard]] std::string encode_identity(const StoreIdentity& identity, const Nonce& nonce);
[[nodiscard]] tl::expected<StoreIdentity, lease::ValueFault> parse_identity(std::string_view text);
[[nodiscard]] std::string encode_floor(time::SmearedUtc floor, const Nonce& nonce);
[[nodiscard]] tl::expected<time::SmearedUtc, lease::ValueFault> parse_floor(std::string_view text);
[[nodiscard]] std::string layout_key(id::LayoutNumber number);
[[nodiscard]] std::string encode_layout(const id::Layout& layout, const Nonce& nonce);
[[nodiscard]] tl::expected<id::Layout, lease::ValueFault> parse_layout(std::string_view text);

/// Identity and floor as the rules of rights want them. Fails on a store without identity, or with an unreadable one.
struct StoreMeta {
  StoreIdentity identity;
  lease::StoreFacts facts;
};
[[nodiscard]] tl::expected<StoreMeta, StateError> read_meta(Store& store);

/// This machine: a keyed hash of /etc/machine-id, so that the id itself does not leak. All zero if there is none, as in
/// many containers: then nothing tells a copy on another such machine apart.
[[nodiscard]] Nonce this_machine();

/// All custom layouts of the store, after the wanted ones were added. A wanted one that the store has under the same
/// number with other fields is refused, and so is a name that another layout has.
[[nodiscard]] tl::expected<std::vector<id::Layout>, StateError> ensure_layouts(Store& store,
                                                                               std::span<const id::Layout> wanted);

}  // namespace gnomon::control
