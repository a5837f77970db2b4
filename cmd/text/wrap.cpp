// SPDX-License-Identifier: Apache-2.0
#include "cmd/text/wrap.hpp"

#include <algorithm>

namespace gnomon::cmd {

std::string wrapped(std::string_view text, std::size_t width, std::string_view first, std::string_view rest) {
  std::string out;
  for (std::string_view indent = first; !text.empty(); indent = rest) {
    std::size_t length = text.size();
    if (indent.size() + length > width) {
      length = indent.size() < width ? text.rfind(' ', width - indent.size()) : std::string_view::npos;
      if (length == std::string_view::npos) length = std::min(text.find(' '), text.size());
    }
    out.append(indent).append(text.substr(0, length)) += '\n';
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

}  // namespace gnomon::cmd
