// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/stored_right.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

#include "oracle/lease/last_revision.hpp"

namespace gnomon::lease {
namespace {

constexpr std::string_view kMachinePrefix = "right/m/";
constexpr std::string_view kGrantSuffix = "/grant";
constexpr std::string_view kWindowSuffix = "/window";
constexpr std::size_t kDigits = 5;
constexpr unsigned kVersion = 1;
constexpr unsigned kEpochShift = 48;

std::string machine_key(mint::MachineId machine, std::string_view suffix) {
  const std::string number = std::to_string(machine.value);
  std::string key(kMachinePrefix);
  key.append(kDigits - number.size(), '0').append(number).append(suffix);
  return key;
}

struct KeyParts {
  mint::MachineId machine;
  std::string_view suffix;
};

std::optional<KeyParts> split_key(std::string_view key) {
  if (!key.starts_with(kMachinePrefix) || key.size() < kMachinePrefix.size() + kDigits) return std::nullopt;
  const std::string_view digits = key.substr(kMachinePrefix.size(), kDigits);
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  std::uint32_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (number > UINT16_MAX) return std::nullopt;
  return KeyParts{{static_cast<std::uint16_t>(number)}, key.substr(kMachinePrefix.size() + kDigits)};
}

// Why the two entries of a right contradict each other; empty if they don't.
std::string_view contradiction(const StoredRight& right) {
  if (!right.window) return right.grant ? "the grant has no window" : "";
  const Window& window = right.window->value;
  if (window.state == WindowState::kReleased) return "";
  if (!right.grant) return "the held window has no grant";
  const mint::Token token = make_token(right.grant->value.epoch, right.grant->modified);
  if (window.token.value == 0)
    return right.window->modified == right.grant->modified ? "" : "the window was not written with its grant";
  return window.token == token ? "" : "the window's token is not that of its grant";
}

}  // namespace

std::string grant_key(mint::MachineId machine) { return machine_key(machine, kGrantSuffix); }
std::string window_key(mint::MachineId machine) { return machine_key(machine, kWindowSuffix); }

mint::Token make_token(std::uint16_t epoch, Revision grant) {
  assert(grant <= kLastRevision);
  return {(std::uint64_t{epoch} << kEpochShift) | grant.value};
}

std::string encode(const Grant& grant) {
  return TextWriter("grant", kVersion)
      .hex("nonce", grant.nonce)
      .hex("incarnation", grant.incarnation)
      .unsigned_number("epoch", grant.epoch)
      .rest("holder", grant.holder)
      .take();
}

std::string encode(const Window& window) {
  assert(window.floor <= window.ceiling);
  return TextWriter("window", kVersion)
      .hex("nonce", window.nonce)
      .word("state", window.state == WindowState::kHeld ? "held" : "released")
      .number("floor", window.floor.ns)
      .number("ceiling", window.ceiling.ns)
      .unsigned_number("token", window.token.value)
      .take();
}

tl::expected<Grant, ValueFault> parse_grant(std::string_view text) {
  TextReader reader(text, "grant", kVersion);
  Grant grant;
  grant.nonce = reader.hex("nonce");
  grant.incarnation = reader.hex("incarnation");
  grant.epoch = static_cast<std::uint16_t>(reader.unsigned_number("epoch", UINT16_MAX));
  grant.holder = reader.rest("holder");
  return reader.finish().map([&] { return grant; });
}

tl::expected<Window, ValueFault> parse_window(std::string_view text) {
  TextReader reader(text, "window", kVersion);
  Window window;
  window.nonce = reader.hex("nonce");
  const std::string_view state = reader.word("state");
  if (state == "released")
    window.state = WindowState::kReleased;
  else if (state != "held")
    reader.fail(ValueFault::kMalformed);
  window.floor = {reader.number("floor")};
  window.ceiling = {reader.number("ceiling")};
  window.token = {reader.unsigned_number("token")};
  if (window.ceiling < window.floor) reader.fail(ValueFault::kOutOfRange);
  return reader.finish().map([&] { return window; });
}

std::optional<mint::Token> StoredRight::token() const {
  if (!window) return std::nullopt;
  if (window->value.token.value != 0) return window->value.token;
  if (!grant) return std::nullopt;
  return make_token(grant->value.epoch, grant->modified);
}

const StoredRight* RightTable::find(mint::MachineId machine) const {
  const auto at = rights.find(machine);
  return at == rights.end() ? nullptr : &at->second;
}

RightTable read_rights(std::span<const Entry> entries) {
  RightTable table;
  const auto unreadable = [&](mint::MachineId machine, const std::string& key, std::string_view why) {
    table.unreadable.push_back({machine, key + ": " + std::string(why)});
  };
  for (const Entry& entry : entries) {
    const std::optional<KeyParts> parts = split_key(entry.key);
    if (!parts) continue;
    StoredRight& right = table.rights[parts->machine];
    if (entry.modified > kLastRevision) {
      unreadable(parts->machine, entry.key, "it stands at a revision that no store can have");
      continue;
    }
    if (parts->suffix == kGrantSuffix) {
      if (auto grant = parse_grant(entry.value))
        right.grant = {std::move(*grant), entry.modified};
      else
        unreadable(parts->machine, entry.key, text_of(grant.error()));
    } else if (parts->suffix == kWindowSuffix) {
      if (auto window = parse_window(entry.value))
        right.window = {*window, entry.modified};
      else
        unreadable(parts->machine, entry.key, text_of(window.error()));
    }
  }
  for (const auto& [machine, right] : table.rights)
    if (const std::string_view why = contradiction(right); !why.empty()) unreadable(machine, window_key(machine), why);
  // What can't be read is not there for anybody to rely on, and not free for anybody to take.
  for (const Unreadable& fault : table.unreadable)
    table.rights.erase(fault.machine);
  return table;
}

}  // namespace gnomon::lease
