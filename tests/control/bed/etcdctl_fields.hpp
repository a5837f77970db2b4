// SPDX-License-Identifier: Apache-2.0
//
// What etcdctl says with `-w fields`: lines such as
//
//   "Leader" : 3319814642761637952
//   "Name" : "m0"
//
// Ids don't fit into a JSON number, and this has no such trouble. Thread rule: any thread.
#pragma once

#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::bed {

/// The first field of that name at or after `from`, without its quotes.
[[nodiscard]] inline std::optional<std::string> field(std::string_view text, const std::string& name,
                                                      std::size_t from = 0) {
  const std::string key = "\"" + name + "\" : ";
  for (std::size_t at = text.find(key, from); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    std::string_view value = text.substr(at + key.size());
    value = value.substr(0, value.find('\n'));
    const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
    return std::string(quoted ? value.substr(1, value.size() - 2) : value);
  }
  return std::nullopt;
}

/// Of a field that is a number; 0 if it is missing.
[[nodiscard]] inline std::uint64_t number(std::string_view text, const std::string& name, std::size_t from = 0) {
  std::uint64_t value = 0;
  if (const auto found = field(text, name, from)) std::from_chars(found->data(), found->data() + found->size(), value);
  return value;
}

[[nodiscard]] inline std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : between) + word;
  return text;
}

/// Variables that would overrule what etcd and etcdctl are told, made void.
[[nodiscard]] inline std::map<std::string, std::string> without_etcd_variables() {
  std::map<std::string, std::string> environment;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view variable(*e);
    if (variable.starts_with("ETCD")) environment[std::string(variable.substr(0, variable.find('=')))] = "";
  }
  environment["ETCDCTL_API"] = "3";
  return environment;
}

}  // namespace gnomon::bed
