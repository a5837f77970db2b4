// SPDX-License-Identifier: Apache-2.0
//
// Stored values as one line of text: `kind version name=value name=value ...`, so that an operator reads a store with
// the tools at hand and a newer program tells an older value apart.
//
// A lenient parser is how two programs come to read one value differently. This one is strict: the fields come in one
// order, each once, with one space between; numbers have no sign but '-', no leading zeros; hex is lower case and of
// full length. So one value has exactly one text, and byte-equality of texts is equality of values. Whatever else it
// is handed (it may come from a damaged disk) yields a typed fault, never a crash and never a guess.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

#include "oracle/lease/record.hpp"

namespace gnomon::lease {

enum class ValueFault : std::uint8_t {
  kOtherKind,     // not a value of the kind that belongs under this key
  kOtherVersion,  // of the right kind, written by another version of gnomon
  kFieldMissing,  // a field is absent or not in its place
  kMalformed,     // a field's text is not what such a field looks like
  kOutOfRange,    // a number that this field can't have
  kTrailing,      // text after the last field
};
[[nodiscard]] std::string_view text_of(ValueFault fault);

/// Builds one value.
class TextWriter {
 public:
  TextWriter(std::string_view kind, unsigned version);

  TextWriter& number(std::string_view name, std::int64_t value);
  TextWriter& unsigned_number(std::string_view name, std::uint64_t value);
  TextWriter& hex(std::string_view name, const Nonce& value);
  TextWriter& word(std::string_view name, std::string_view value);  // [a-z0-9_-]+
  /// The last field: everything up to the end. Cut to kMaxRest bytes; what is not printable ASCII becomes '?'.
  TextWriter& rest(std::string_view name, std::string_view value);

  static constexpr std::size_t kMaxRest = 256;
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void begin(std::string_view name);
  std::string text_;
};

/// Reads one value, field by field, in the order in which it was written. The first fault sticks.
class TextReader {
 public:
  TextReader(std::string_view text, std::string_view kind, unsigned version);

  std::int64_t number(std::string_view name);
  std::uint64_t unsigned_number(std::string_view name, std::uint64_t maximum = UINT64_MAX);
  Nonce hex(std::string_view name);
  std::string_view word(std::string_view name);
  std::string_view rest(std::string_view name);

  void fail(ValueFault fault);
  /// After the last field: whether everything was there and nothing is left over.
  [[nodiscard]] tl::expected<void, ValueFault> finish();

 private:
  bool enter(std::string_view name);
  std::string_view field(std::string_view name);

  std::string_view left_;
  bool failed_ = false;
  ValueFault fault_ = ValueFault::kMalformed;
};

/// 32 lower-case hex digits.
[[nodiscard]] std::string hex_of(const Nonce& nonce);

}  // namespace gnomon::lease
