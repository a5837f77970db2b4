// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/text_value.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace gnomon::lease {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

constexpr bool is_word_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }
constexpr bool is_printable(char c) { return c >= 0x20 && c <= 0x7e; }

int hex_value(char c) {
  const std::size_t at = kHexDigits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// One text per number: what std::to_string would write. from_chars alone would take "007" and "-0".
template <typename Integer>
bool parse_canonical(std::string_view text, Integer& out, bool& out_of_range) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  out_of_range = error == std::errc::result_out_of_range;
  return error == std::errc{} && end == text.data() + text.size() && std::to_string(out) == text;
}

}  // namespace

std::string_view text_of(ValueFault fault) {
  switch (fault) {
    case ValueFault::kOtherKind: return "a value of another kind";
    case ValueFault::kOtherVersion: return "written by another version of gnomon";
    case ValueFault::kFieldMissing: return "a field is missing or not in its place";
    case ValueFault::kMalformed: return "a field is malformed";
    case ValueFault::kOutOfRange: return "a number is out of range";
    case ValueFault::kTrailing: return "text follows the last field";
  }
  return "unknown fault";
}

std::string hex_of(const Nonce& nonce) {
  std::string text;
  text.reserve(2 * nonce.size());
  for (const std::uint8_t byte : nonce) {
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 0xf];
  }
  return text;
}

TextWriter::TextWriter(std::string_view kind, unsigned version) : text_(kind) {
  text_ += ' ';
  text_ += std::to_string(version);
}

void TextWriter::begin(std::string_view name) {
  text_ += ' ';
  text_ += name;
  text_ += '=';
}

TextWriter& TextWriter::number(std::string_view name, std::int64_t value) {
  begin(name);
  text_ += std::to_string(value);
  return *this;
}

TextWriter& TextWriter::unsigned_number(std::string_view name, std::uint64_t value) {
  begin(name);
  text_ += std::to_string(value);
  return *this;
}

TextWriter& TextWriter::hex(std::string_view name, const Nonce& value) {
  begin(name);
  text_ += hex_of(value);
  return *this;
}

TextWriter& TextWriter::word(std::string_view name, std::string_view value) {
  begin(name);
  text_ += value;
  return *this;
}

TextWriter& TextWriter::rest(std::string_view name, std::string_view value) {
  begin(name);
  for (const char c : value.substr(0, kMaxRest))
    text_ += is_printable(c) ? c : '?';
  return *this;
}

TextReader::TextReader(std::string_view text, std::string_view kind, unsigned version) : left_(text) {
  const std::string_view found_kind = left_.substr(0, left_.find(' '));
  if (found_kind != kind) fail(ValueFault::kOtherKind);
  left_.remove_prefix(found_kind.size());
  if (!left_.empty()) left_.remove_prefix(1);
  const std::string_view found_version = left_.substr(0, left_.find(' '));
  if (found_version != std::to_string(version)) fail(ValueFault::kOtherVersion);
  left_.remove_prefix(found_version.size());
}

void TextReader::fail(ValueFault fault) {
  if (failed_) return;
  failed_ = true;
  fault_ = fault;
}

// Steps over " name=", which must come next.
bool TextReader::enter(std::string_view name) {
  if (failed_) return false;
  const std::size_t head = name.size() + 2;
  if (left_.size() < head || left_[0] != ' ' || left_.substr(1, name.size()) != name || left_[head - 1] != '=') {
    fail(ValueFault::kFieldMissing);
    return false;
  }
  left_.remove_prefix(head);
  return true;
}

std::string_view TextReader::field(std::string_view name) {
  if (!enter(name)) return {};
  const std::string_view text = left_.substr(0, left_.find(' '));
  left_.remove_prefix(text.size());
  return text;
}

std::int64_t TextReader::number(std::string_view name) {
  const std::string_view text = field(name);
  std::int64_t value = 0;
  bool out_of_range = false;
  if (parse_canonical(text, value, out_of_range)) return value;
  fail(out_of_range ? ValueFault::kOutOfRange : ValueFault::kMalformed);
  return 0;
}

std::uint64_t TextReader::unsigned_number(std::string_view name, std::uint64_t maximum) {
  const std::string_view text = field(name);
  std::uint64_t value = 0;
  bool out_of_range = false;
  if (!parse_canonical(text, value, out_of_range)) {
    fail(out_of_range ? ValueFault::kOutOfRange : ValueFault::kMalformed);
    return 0;
  }
  if (value <= maximum) return value;
  fail(ValueFault::kOutOfRange);
  return 0;
}

Nonce TextReader::hex(std::string_view name) {
  const std::string_view text = field(name);
  Nonce nonce{};
  if (text.size() != 2 * nonce.size()) {
    fail(ValueFault::kMalformed);
    return {};
  }
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      fail(ValueFault::kMalformed);
      return {};
    }
    nonce[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return nonce;
}

std::string_view TextReader::word(std::string_view name) {
  const std::string_view text = field(name);
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_word_char)) {
    fail(ValueFault::kMalformed);
    return {};
  }
  return text;
}

std::string_view TextReader::rest(std::string_view name) {
  if (!enter(name)) return {};
  const std::string_view text = std::exchange(left_, {});
  if (text.size() > TextWriter::kMaxRest || !std::all_of(text.begin(), text.end(), is_printable))
    fail(ValueFault::kMalformed);
  return text;
}

tl::expected<void, ValueFault> TextReader::finish() {
  if (!failed_ && !left_.empty()) fail(ValueFault::kTrailing);
  if (failed_) return tl::make_unexpected(fault_);
  return {};
}

}  // namespace gnomon::lease
