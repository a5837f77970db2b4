// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace gnomon::cmd {

/// What stands in the JSON text behind "key":, up to the next , } or ]; quotes taken off. Of the first such key.
inline std::string json_field(const std::string& json, const std::string& key) {
  std::size_t begin = json.find("\"" + key + "\":");
  if (begin == std::string::npos) return {};
  begin += key.size() + 3;
  if (json[begin] != '"') return json.substr(begin, json.find_first_of(",}]", begin) - begin);
  return json.substr(begin + 1, json.find('"', begin + 1) - begin - 1);
}

}  // namespace gnomon::cmd
