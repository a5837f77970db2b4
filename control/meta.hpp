// SPDX-License-Identifier: Apache-2.0
//
// What a store says about itself, and the layouts that it keeps:
//
//   meta/store    {id, machine, epoch}: which store this is, the machine it is bound to, the upper part of all tokens.
//                 Rewritten by `adopt`, `recover` and a seal only; every commit compares its revision.
//   meta/floor    {floor}: no window of any machine id starts below it. Set by a recovery, which can't know all windows
//                 that were ever granted, and compared with every id, used or not. Also the instant from which a store
//                 that was recovered, or adopted by another machine, waits until all leases of before are over.
//   meta/sealed   {at, why}: this shared store went back, as somebody found: nobody uses it before it is recovered.
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
constexpr std::string_view kSealKey = "meta/sealed";
constexpr std::string_view kLayoutPrefix = "layout/";

struct StoreIdentity {
  Nonce id{};       // random, for life
  Nonce machine{};  // hash of the machine's id; of a shared store its lineage: random, new with every recovery
  std::uint16_t epoch = 1;
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

struct Seal {
  std::int64_t at_s = 0;  // Unix time, as the sealer's system clock had it; for humans
  std::string text;       // who sealed it, and why
  friend bool operator==(const Seal&, const Seal&) = default;
};

[[nodiscard]] std::string encode_identity(const StoreIdentity& identity, const Nonce& nonce);
[[nodiscard]] tl::expected<StoreIdentity, lease::ValueFault> parse_identity(std::string_view text);
[[nodiscard]] std::string encode_floor(time::SmearedUtc floor, const Nonce& nonce);
[[nodiscard]] tl::expected<time::SmearedUtc, lease::ValueFault> parse_floor(std::string_view text);
[[nodiscard]] std::string encode_seal(const Seal& seal, const Nonce& nonce);
[[nodiscard]] tl::expected<Seal, lease::ValueFault> parse_seal(std::string_view text);
[[nodiscard]] std::string layout_key(id::LayoutNumber number);
[[nodiscard]] std::string encode_layout(const id::Layout& layout, const Nonce& nonce);
[[nodiscard]] tl::expected<id::Layout, lease::ValueFault> parse_layout(std::string_view text);

/// Identity and floor as the rules of rights want them.
struct StoreMeta {
  StoreIdentity identity;
  lease::StoreFacts facts;
};
/// Fails on a store without identity, or with something unreadable under meta/.
[[nodiscard]] tl::expected<StoreMeta, StateError> read_meta(Store& store);

/// Everything under meta/ as of one revision. A seal that can't be read is a seal.
struct MetaView {
  std::optional<StoreMeta> meta;  // none: the store does not say which one it is
  std::optional<Seal> sealed;
  Revision at;
};
[[nodiscard]] tl::expected<MetaView, StateError> view_meta(Store& store);

/// kSealed: who sealed the store, when, why, and what to do.
[[nodiscard]] StateError refusal_of(const Seal& seal);

/// What an error of the store means to who opens it: kUnreachable passes, everything else does not.
[[nodiscard]] StateError state_error_of(const StoreError& error);

/// This machine: a keyed hash of /etc/machine-id, so that the id itself does not leak. All zero if there is none, as in
/// many containers: then nothing tells a copy on another such machine apart.
[[nodiscard]] Nonce this_machine();

/// All custom layouts of the store, after the wanted ones were added. A wanted one that the store has under the same
/// number with other fields is refused, and so is a name that another layout has. Nothing is added to a sealed store.
[[nodiscard]] tl::expected<std::vector<id::Layout>, StateError> ensure_layouts(Store& store,
                                                                               std::span<const id::Layout> wanted);

}  // namespace gnomon::control
