// SPDX-License-Identifier: Apache-2.0
//
// As much of JSON as protocol-vectors.json needs: objects, arrays and strings without escapes (its numbers are written
// as strings, so that 64 bits survive). Anything else throws, and the test fails.
#pragma once

#include <cctype>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::testing {

struct Json {
  std::string text;
  std::vector<Json> items;
  std::map<std::string, Json> members;

  const Json& operator[](const std::string& name) const {
    const auto found = members.find(name);
    if (found == members.end()) throw std::runtime_error("no member " + name);
    return found->second;
  }
  [[nodiscard]] std::uint64_t number() const { return std::stoull(text); }
};

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_(text) {}

  Json document() {
    Json value = any();
    skip_space();
    if (!rest_.empty()) throw std::runtime_error("text after the document");
    return value;
  }

 private:
  Json any() {
    skip_space();
    if (rest_.starts_with('{')) return object();
    if (rest_.starts_with('[')) return array();
    Json value;
    value.text = string();
    return value;
  }
  Json object() {
    Json value;
    expect('{');
    do {
      std::string name = string();
      expect(':');
      value.members.emplace(std::move(name), any());
    } while (accept(','));
    expect('}');
    return value;
  }
  Json array() {
    Json value;
    expect('[');
    do
      value.items.push_back(any());
    while (accept(','));
    expect(']');
    return value;
  }
  std::string string() {
    expect('"');
    const std::size_t end = rest_.find('"');
    if (end == std::string_view::npos) throw std::runtime_error("a string without an end");
    std::string text(rest_.substr(0, end));
    if (text.find('\\') != std::string::npos) throw std::runtime_error("an escape in " + text);
    rest_.remove_prefix(end + 1);
    return text;
  }
  void skip_space() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_.front())) != 0)
      rest_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c))
      throw std::runtime_error(std::string("expected ") + c + " before " + std::string(rest_.substr(0, 20)));
  }

  std::string_view rest_;
};

}  // namespace gnomon::testing
