// SPDX-License-Identifier: Apache-2.0
//
// Whether a text is well-formed XML, as far as pictures use it: elements that nest and end, attributes in quotation
// marks, and no markup character that stands for itself. A browser shows nothing of a picture that is not.
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::chaos {

class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : text_(text) {}

  /// Empty: well-formed.
  std::string fault() {
    while (fault_.empty() && at_ < text_.size()) {
      if (text_[at_] == '<')
        read_tag();
      else
        read_text();
    }
    if (fault_.empty() && !open_.empty()) fail("<" + open_.back() + "> has no end");
    if (fault_.empty() && roots_ != 1) fail("there is not exactly one element at the top");
    return fault_;
  }

 private:
  void fail(const std::string& what) {
    if (fault_.empty()) fault_ = what + " at byte " + std::to_string(at_);
  }
  [[nodiscard]] bool is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0)
      ++at_;
  }
  std::string name() {
    const std::size_t from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '-'))
      ++at_;
    if (at_ == from) fail("a name is missing");
    return std::string(text_.substr(from, at_ - from));
  }
  // One character of a text or a value.
  void read_character() {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c < 0x20 && std::isspace(c) == 0) fail("a control character");
    if (c != '&') {
      ++at_;
      return;
    }
    for (const std::string_view entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"})
      if (text_.substr(at_).starts_with(entity)) {
        at_ += entity.size();
        return;
      }
    fail("an ampersand that begins no entity");
  }
  void read_text() {
    while (fault_.empty() && at_ < text_.size() && text_[at_] != '<') {
      if (open_.empty() && std::isspace(static_cast<unsigned char>(text_[at_])) == 0)
        fail("text outside of everything");
      read_character();
    }
  }
  void read_attribute() {
    (void)name();
    if (!is('=')) return fail("an attribute without a value");
    ++at_;
    if (!is('"')) return fail("a value without quotation marks");
    ++at_;
    while (fault_.empty() && at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '<') return fail("a tag inside a value");
      read_character();
    }
    if (!is('"')) return fail("a value without an end");
    ++at_;
  }
  void read_tag() {
    ++at_;
    const bool ends = is('/');
    if (ends) ++at_;
    const std::string tag = name();
    skip_blanks();
    while (fault_.empty() && !ends && at_ < text_.size() && text_[at_] != '>' && text_[at_] != '/') {
      read_attribute();
      skip_blanks();
    }
    const bool alone = !ends && is('/');
    if (alone) ++at_;
    if (!is('>')) return fail("<" + tag + " has no '>'");
    ++at_;
    if (ends && (open_.empty() || open_.back() != tag)) return fail("</" + tag + "> ends what is not open");
    if (ends) return open_.pop_back();
    if (open_.empty()) ++roots_;
    if (!alone) open_.push_back(tag);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> open_;
  int roots_ = 0;
  std::string fault_;
};

/// What is wrong, and where; empty: nothing.
[[nodiscard]] inline std::string xml_fault(std::string_view text) { return XmlReader(text).fault(); }

}  // namespace gnomon::chaos
