// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/session.hpp"

#include <array>
#include <cassert>

namespace gnomon::lease {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr unsigned kVersion = 1;
constexpr std::array<Standing, 4> kStandings{Standing::kJoining, Standing::kMember, Standing::kTied,
                                             Standing::kOutvoted};

Standing read_standing(TextReader& reader) {
  const std::string_view word = reader.word("standing");
  for (const Standing standing : kStandings)
    if (text_of(standing) == word) return standing;
  reader.fail(ValueFault::kMalformed);
  return Standing::kJoining;
}

template <typename T>
time::IntervalOf<T> read_interval(TextReader& reader, std::string_view earliest, std::string_view latest) {
  time::IntervalOf<T> interval;
  interval.earliest = {reader.number(earliest)};
  interval.latest = {reader.number(latest)};
  if (interval.latest < interval.earliest) reader.fail(ValueFault::kOutOfRange);
  return interval;
}

}  // namespace

std::string_view text_of(Standing standing) {
  switch (standing) {
    case Standing::kJoining: return "joining";
    case Standing::kMember: return "member";
    case Standing::kTied: return "tied";
    case Standing::kOutvoted: return "outvoted";
  }
  return "unknown";
}

std::string session_key(const Nonce& incarnation) { return std::string(kSessionPrefix) + hex_of(incarnation); }

std::optional<Nonce> incarnation_of_session(std::string_view key) {
  Nonce incarnation{};
  if (!key.starts_with(kSessionPrefix)) return std::nullopt;
  const std::string_view digits = key.substr(kSessionPrefix.size());
  if (digits.size() != 2 * incarnation.size()) return std::nullopt;
  for (std::size_t i = 0; i < incarnation.size(); ++i) {
    const std::size_t high = kHexDigits.find(digits[2 * i]);
    const std::size_t low = kHexDigits.find(digits[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    incarnation[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return incarnation;
}

std::string encode(const Session& session) {
  const ClockWord& clock = session.clock;
  assert(clock.ordering.earliest <= clock.ordering.latest);
  TextWriter writer("session", kVersion);
  writer.hex("nonce", session.nonce)
      .word("standing", text_of(session.standing))
      .unsigned_number("seen", session.seen.value)
      .number("ordering_earliest", clock.ordering.earliest.ns)
      .number("ordering_latest", clock.ordering.latest.ns)
      .word("truth", clock.truth ? "known" : "unknown");
  if (clock.truth) {
    assert(clock.truth->earliest <= clock.truth->latest);
    writer.number("earliest", clock.truth->earliest.ns).number("latest", clock.truth->latest.ns);
  }
  return writer.rest("holder", session.holder).take();
}

tl::expected<Session, ValueFault> parse_session(std::string_view text) {
  TextReader reader(text, "session", kVersion);
  Session session;
  session.nonce = reader.hex("nonce");
  session.standing = read_standing(reader);
  session.seen = {reader.unsigned_number("seen")};
  session.clock.ordering = read_interval<time::SmearedUtc>(reader, "ordering_earliest", "ordering_latest");
  const std::string_view truth = reader.word("truth");
  if (truth == "known")
    session.clock.truth = read_interval<time::Tai>(reader, "earliest", "latest");
  else if (truth != "unknown")
    reader.fail(ValueFault::kMalformed);
  session.holder = reader.rest("holder");
  return reader.finish().map([&] { return session; });
}

}  // namespace gnomon::lease
