// SPDX-License-Identifier: Apache-2.0
#include "control/meta.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "platform/durable_file.hpp"
#include "platform/random.hpp"

namespace gnomon::control {
namespace {

using lease::TextReader;
using lease::TextWriter;

constexpr unsigned kVersion = 1;
constexpr int kLayoutCommits = 8;  // attempts against other writers

StateError damaged(std::string_view key, lease::ValueFault fault) {
  const bool other_version = fault == lease::ValueFault::kOtherVersion;
  return {StateErrorKind::kDamaged, "the store's " + std::string(key) +
                                        " can't be read: " + std::string(lease::text_of(fault)) +
                                        (other_version ? "; use that version" : "; run `gnomon control recover`")};
}

std::string utc_text(std::int64_t unix_s) {
  const auto time = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return "an unknown time";
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), size};
}

std::string describe(const id::Layout& layout) {
  return std::to_string(layout.number.value) + " \"" + std::string(layout.name()) + "\" (epoch " +
         std::to_string(layout.epoch.ns) + " ns, unit " + std::to_string(layout.unit.ns) + " ns, bits " +
         std::to_string(layout.time_bits) + "/" + std::to_string(layout.machine_bits) + "/" +
         std::to_string(layout.sequence_bits) + ")";
}

// The one among `known` that contradicts `layout`, nullptr if none does.
const id::Layout* conflicting(std::span<const id::Layout> known, const id::Layout& layout) {
  const auto at = std::find_if(known.begin(), known.end(), [&](const id::Layout& other) {
    return other != layout && (other.number == layout.number || other.name() == layout.name());
  });
  return at == known.end() ? nullptr : &*at;
}

tl::expected<std::vector<id::Layout>, StateError> read_layouts(Store& store) {
  const auto listing = store.list(kLayoutPrefix);
  if (!listing) return tl::make_unexpected(state_error_of(listing.error()));
  std::vector<id::Layout> layouts;
  for (const Entry& entry : listing->entries) {
    const auto layout = parse_layout(entry.value);
    if (!layout) return tl::make_unexpected(damaged(entry.key, layout.error()));
    layouts.push_back(*layout);
  }
  return layouts;
}

}  // namespace

std::string encode_identity(const StoreIdentity& identity, const Nonce& nonce) {
  return TextWriter("store", kVersion)
      .hex("nonce", nonce)
      .hex("id", identity.id)
      .hex("machine", identity.machine)
      .unsigned_number("epoch", identity.epoch)
      .take();
}

tl::expected<StoreIdentity, lease::ValueFault> parse_identity(std::string_view text) {
  TextReader reader(text, "store", kVersion);
  StoreIdentity identity;
  static_cast<void>(reader.hex("nonce"));
  identity.id = reader.hex("id");
  identity.machine = reader.hex("machine");
  identity.epoch = static_cast<std::uint16_t>(reader.unsigned_number("epoch", UINT16_MAX));
  return reader.finish().map([&] { return identity; });
}

std::string encode_floor(time::SmearedUtc floor, const Nonce& nonce) {
  return TextWriter("floor", kVersion).hex("nonce", nonce).number("floor", floor.ns).take();
}

tl::expected<time::SmearedUtc, lease::ValueFault> parse_floor(std::string_view text) {
  TextReader reader(text, "floor", kVersion);
  static_cast<void>(reader.hex("nonce"));
  const time::SmearedUtc floor{reader.number("floor")};
  return reader.finish().map([&] { return floor; });
}

std::string encode_seal(const Seal& seal, const Nonce& nonce) {
  return TextWriter("sealed", kVersion).hex("nonce", nonce).number("at", seal.at_s).rest("why", seal.text).take();
}

tl::expected<Seal, lease::ValueFault> parse_seal(std::string_view text) {
  TextReader reader(text, "sealed", kVersion);
  static_cast<void>(reader.hex("nonce"));
  Seal seal;
  seal.at_s = reader.number("at");
  seal.text = reader.rest("why");
  return reader.finish().map([&] { return seal; });
}

std::string layout_key(id::LayoutNumber number) { return std::string(kLayoutPrefix) + std::to_string(number.value); }

std::string encode_layout(const id::Layout& layout, const Nonce& nonce) {
  return TextWriter("layout", kVersion)
      .hex("nonce", nonce)
      .unsigned_number("number", layout.number.value)
      .word("name", layout.name())
      .number("epoch", layout.epoch.ns)
      .number("unit", layout.unit.ns)
      .unsigned_number("time", layout.time_bits)
      .unsigned_number("machine", layout.machine_bits)
      .unsigned_number("sequence", layout.sequence_bits)
      .take();
}

tl::expected<id::Layout, lease::ValueFault> parse_layout(std::string_view text) {
  TextReader reader(text, "layout", kVersion);
  static_cast<void>(reader.hex("nonce"));
  const id::LayoutNumber number{static_cast<std::uint16_t>(reader.unsigned_number("number", UINT16_MAX))};
  const std::string_view name = reader.word("name");
  const time::SmearedUtc epoch{reader.number("epoch")};
  const time::Duration unit{reader.number("unit")};
  const auto time_bits = static_cast<unsigned>(reader.unsigned_number("time", 64));
  const auto machine_bits = static_cast<unsigned>(reader.unsigned_number("machine", 64));
  const auto sequence_bits = static_cast<unsigned>(reader.unsigned_number("sequence", 64));
  if (const auto whole = reader.finish(); !whole) return tl::make_unexpected(whole.error());
  const auto layout = id::make_layout(number, name, epoch, unit, time_bits, machine_bits, sequence_bits);
  if (!layout) return tl::make_unexpected(lease::ValueFault::kOutOfRange);
  return *layout;
}

StateError state_error_of(const StoreError& error) {
  switch (error.kind) {
    case StoreErrorKind::kFatal: return {StateErrorKind::kDamaged, error.text};
    case StoreErrorKind::kUnavailable: return {StateErrorKind::kUnreachable, error.text};
    case StoreErrorKind::kConflict:
    case StoreErrorKind::kUnknown: break;
  }
  return {StateErrorKind::kSystem, error.text};
}

StateError refusal_of(const Seal& seal) {
  return {StateErrorKind::kSealed,
          "the store was sealed at " + utc_text(seal.at_s) + " by " + seal.text +
              ". It does not know all that may have been issued, so no daemon may use it; stop all daemons and run "
              "`gnomon control recover`, which lifts every machine id above that"};
}

tl::expected<MetaView, StateError> view_meta(Store& store) {
  const auto listing = store.list("meta/");
  if (!listing) return tl::make_unexpected(state_error_of(listing.error()));
  MetaView view;
  view.at = listing->at;
  StoreMeta meta;
  for (const Entry& entry : listing->entries) {
    if (entry.key == kFloorKey) {
      const auto floor = parse_floor(entry.value);
      if (!floor) return tl::make_unexpected(damaged(entry.key, floor.error()));
      meta.facts.floor = *floor;
    } else if (entry.key == kSealKey) {
      view.sealed = parse_seal(entry.value).value_or(Seal{0, "somebody whose words can't be read"});
    } else if (entry.key == lease::kStoreKey) {
      const auto identity = parse_identity(entry.value);
      if (!identity) return tl::make_unexpected(damaged(entry.key, identity.error()));
      meta.identity = *identity;
      meta.facts.identity = entry.modified;
      meta.facts.epoch = identity->epoch;
    }
  }
  if (meta.facts.identity != Revision{}) view.meta = meta;
  return view;
}

tl::expected<StoreMeta, StateError> read_meta(Store& store) {
  const auto viewed = view_meta(store);
  if (!viewed) return tl::make_unexpected(viewed.error());
  const MetaView& view = *viewed;
  if (view.meta) return *view.meta;
  return tl::make_unexpected(StateError{StateErrorKind::kDamaged, "the store has no " + std::string(lease::kStoreKey) +
                                                                      ", so it does not say which store it is; run "
                                                                      "`gnomon control recover`"});
}

Nonce this_machine() {
  constexpr std::string_view kKey = "gnomon: the machine that a store is bound to";
  std::string id = platform::read_file("/etc/machine-id", 4096).value_or(std::optional<std::string>{}).value_or("");
  Nonce hash{};
  while (!id.empty() && (id.back() == '\n' || id.back() == ' '))
    id.pop_back();
  if (id.empty()) return hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(id.data()), id.size(),
                     reinterpret_cast<const unsigned char*>(kKey.data()), kKey.size());
  return hash;
}

tl::expected<std::vector<id::Layout>, StateError> ensure_layouts(Store& store, std::span<const id::Layout> wanted) {
  const auto builtin = id::builtin_layouts();
  for (int attempt = 0; attempt < kLayoutCommits; ++attempt) {
    const auto viewed = view_meta(store);
    if (!viewed) return tl::make_unexpected(viewed.error());
    const MetaView& view = *viewed;
    if (view.sealed) return tl::make_unexpected(refusal_of(*view.sealed));
    auto known = read_layouts(store);
    if (!known) return known;
    Transaction transaction;
    transaction.compares.push_back({std::string(lease::kStoreKey), view.meta ? view.meta->facts.identity : Revision{}});
    const auto nonce = platform::random_value<Nonce>();
    for (const id::Layout& layout : wanted) {
      const id::Layout* other = conflicting(builtin, layout);
      if (other == nullptr) other = conflicting(*known, layout);
      if (other != nullptr)
        return tl::make_unexpected(StateError{
            StateErrorKind::kLayoutConflict,
            "layout " + describe(layout) + " contradicts " + describe(*other) +
                ", which the store has already; layouts never change: give the new one another number and name"});
      if (std::find(known->begin(), known->end(), layout) != known->end()) continue;
      transaction.compares.push_back({layout_key(layout.number), Revision{}});
      transaction.puts.push_back({layout_key(layout.number), encode_layout(layout, nonce)});
      known->push_back(layout);
    }
    if (transaction.puts.empty()) return known;
    const auto committed = store.commit(transaction);
    if (committed) return known;
    // Whether it was written, or another host's layout, the next reading shows.
    const StoreErrorKind kind = committed.error().kind;
    if (kind == StoreErrorKind::kFatal || kind == StoreErrorKind::kUnavailable)
      return tl::make_unexpected(state_error_of(committed.error()));
  }
  return tl::make_unexpected(StateError{
      StateErrorKind::kSystem, "the layouts could not be written to the store: others keep writing; try again"});
}

}  // namespace gnomon::control
