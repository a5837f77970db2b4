// SPDX-License-Identifier: Apache-2.0
#include "cmd/text/version_text.hpp"

#include <fmt/core.h>

#include "cmd/text/json.hpp"
#include "platform/version.hpp"

namespace gnomon::cmd {

std::string version_text(std::string_view program, bool json) {
  if (!json) return fmt::format("{} {}\n", program, platform::kVersion);
  JsonWriter writer;
  writer.begin_object().key("program").text(program).key("version").text(platform::kVersion).end_object();
  return writer.str() + "\n";
}

}  // namespace gnomon::cmd
