// SPDX-License-Identifier: Apache-2.0
//
// Writes JSON (RFC 8259), one line, commas and escapes taken care of. IDs go out as strings: most readers keep numbers
// as doubles and would silently change the low digits of a 64-bit ID.
//
//   JsonWriter json;
//   json.begin_object().key("id").text("42").key("machine").number(1).end_object();
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gnomon::cmd {

class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& number(std::uint64_t value);
  JsonWriter& number(double value);  // null if not finite
  JsonWriter& number(int value) { return number(static_cast<std::int64_t>(value)); }
  JsonWriter& number(unsigned value) { return number(static_cast<std::uint64_t>(value)); }
  JsonWriter& boolean(bool value);
  JsonWriter& null();

  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  void quote(std::string_view value);

  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace gnomon::cmd
