// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/client_session.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace gnomon::lease {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kLabelField = " label=";
constexpr unsigned kVersion = 1;
constexpr std::array<SessionState, 3> kStates{SessionState::kOpen, SessionState::kClosed, SessionState::kKilled};

SessionState read_state(TextReader& reader) {
  const std::string_view word = reader.word("state");
  for (const SessionState state : kStates)
    if (text_of(state) == word) return state;
  reader.fail(ValueFault::kMalformed);
  return SessionState::kOpen;
}

}  // namespace

std::string_view text_of(SessionState state) {
  switch (state) {
    case SessionState::kOpen: return "open";
    case SessionState::kClosed: return "closed";
    case SessionState::kKilled: return "killed";
  }
  return "unknown";
}

bool is_principal(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPrincipal &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c <= 0x7e; });
}

bool is_label(std::string_view text) {
  return text.size() <= kMaxLabel &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

std::optional<SessionId> session_of_hex(std::string_view digits) {
  SessionId id{};
  if (digits.size() != 2 * id.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const std::size_t high = kHexDigits.find(digits[2 * i]);
    const std::size_t low = kHexDigits.find(digits[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    id[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return id;
}

std::string client_key(const SessionId& id) { return std::string(kClientPrefix) + hex_of(id); }

std::optional<SessionId> session_of_key(std::string_view key) {
  if (!key.starts_with(kClientPrefix)) return std::nullopt;
  return session_of_hex(key.substr(kClientPrefix.size()));
}

std::string encode(const ClientSession& session) {
  assert(is_principal(session.principal) && is_label(session.label) && session.ttl.ns > 0);
  return TextWriter("client", kVersion)
      .hex("nonce", session.nonce)
      .word("state", text_of(session.state))
      .hex("boot", session.expiry.boot)
      .number("expiry", session.expiry.at.ns)
      .number("ttl", session.ttl.ns)
      .rest("principal", session.principal)
      .rest("label", session.label)
      .take();
}

// A principal has no spaces, so the first " label=" is where its field ends; a label may contain another one.
tl::expected<ClientSession, ValueFault> parse_client_session(std::string_view text) {
  const std::size_t label_at = std::min(text.find(kLabelField), text.size());
  TextReader reader(text.substr(0, label_at), "client", kVersion);
  ClientSession session;
  session.nonce = reader.hex("nonce");
  session.state = read_state(reader);
  session.expiry.boot = reader.hex("boot");
  session.expiry.at = {reader.number("expiry")};
  session.ttl = {reader.number("ttl")};
  if (session.ttl.ns <= 0) reader.fail(ValueFault::kOutOfRange);
  session.principal = reader.rest("principal");
  if (!is_principal(session.principal)) reader.fail(ValueFault::kMalformed);
  if (label_at == text.size()) {
    reader.fail(ValueFault::kFieldMissing);
  } else {
    session.label = text.substr(label_at + kLabelField.size());
    if (!is_label(session.label)) reader.fail(ValueFault::kMalformed);
  }
  return reader.finish().map([&] { return session; });
}

}  // namespace gnomon::lease
