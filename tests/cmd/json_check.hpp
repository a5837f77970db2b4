// SPDX-License-Identifier: Apache-2.0
//
// Whether a text is exactly one JSON value (RFC 8259). Written apart from the writer that it judges: it shares no code
// with it and accepts no more than the grammar.
#pragma once

#include <cctype>
#include <string_view>

namespace gnomon::cmd {

class JsonCheck {
 public:
  static bool valid(std::string_view text) {
    JsonCheck check(text);
    return check.value() && (check.blanks(), check.rest_.empty());
  }

 private:
  explicit JsonCheck(std::string_view text) : rest_(text) {}

  void blanks() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos)
      rest_.remove_prefix(1);
  }
  bool take(char c) {
    blanks();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool string() {
    if (!take('"')) return false;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      if (rest_.empty()) return false;
      const char escape = rest_.front();
      rest_.remove_prefix(1);
      if (escape == 'u') {
        for (int i = 0; i < 4; ++i) {
          if (rest_.empty() || std::isxdigit(static_cast<unsigned char>(rest_.front())) == 0) return false;
          rest_.remove_prefix(1);
        }
      } else if (std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos) {
        return false;
      }
    }
    return false;
  }
  bool digits() {
    std::size_t n = 0;
    while (!rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_.front())) != 0) {
      rest_.remove_prefix(1);
      ++n;
    }
    return n > 0;
  }
  bool number() {
    (void)word("-");
    const bool zero = rest_.starts_with('0');
    const std::size_t before = rest_.size();
    if (!digits() || (zero && before - rest_.size() > 1)) return false;
    if (word(".") && !digits()) return false;
    if (word("e") || word("E")) {
      if (!word("+")) (void)word("-");
      return digits();
    }
    return true;
  }
  template <typename Member>
  bool members(char end, Member member) {
    if (take(end)) return true;
    do {
      if (!member()) return false;
    } while (take(','));
    return take(end);
  }
  bool value() {
    blanks();
    if (rest_.empty() || ++depth_ > 100) return false;
    bool ok = false;
    switch (rest_.front()) {
      case '{': ok = take('{') && members('}', [this] { return (blanks(), string()) && take(':') && value(); }); break;
      case '[': ok = take('[') && members(']', [this] { return value(); }); break;
      case '"': ok = string(); break;
      default: ok = word("true") || word("false") || word("null") || number();
    }
    --depth_;
    return ok;
  }

  std::string_view rest_;
  int depth_ = 0;
};

}  // namespace gnomon::cmd
