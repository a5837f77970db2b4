// SPDX-License-Identifier: Apache-2.0
//
// The option table. One row per option makes the TOML key, the environment variable, the flag, its bounds, `--help`,
// the sample configuration, docs/options.md and the completion, so that none of them can drift from the others
// (linuxptp's config_tab). Nothing else knows an option's name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/options/settings.hpp"

namespace gnomon::cmd {

enum class OptionType : std::uint8_t { kBool, kInteger, kChoice, kText, kIntegerList, kTextList, kLayoutList };

struct OptionRow {
  std::string_view section = {};
  std::string_view key = {};
  Field (*field)(Settings&) = nullptr;  // gives the type, too
  std::string_view unit = {};           // "ms", "us", ...; empty if the value has none
  std::string_view default_text = {};   // as a flag would say it
  std::int64_t min = 0;                 // integers, and each entry of an integer list
  std::int64_t max = 0;
  std::string_view choices = {};  // "block|spin": texts that are allowed; empty if any is
  std::string (*fault)(std::string_view text) =
      nullptr;              // what is wrong with a text, or with an entry of a list; or ""
  char separator = ',';     // between the entries of a list, in the environment and in flags
  bool reloadable = false;  // SIGHUP takes it over
  std::string_view help = {};

  [[nodiscard]] OptionType type() const;
  [[nodiscard]] std::string name() const;         // workers.park_for_ms
  [[nodiscard]] std::string flag() const;         // --workers-park-for-ms
  [[nodiscard]] std::string environment() const;  // GNOMON_WORKERS_PARK_FOR_MS
  [[nodiscard]] std::vector<std::string_view> choice_list() const;
  /// "integer, 1 to 64", "text list", ...: for people.
  [[nodiscard]] std::string type_text() const;
};

[[nodiscard]] std::span<const OptionRow> option_table();
/// Index in the table.
[[nodiscard]] std::optional<std::size_t> find_option(std::string_view section, std::string_view key);
/// The sections in the order of the table, each once, with a line on what they are about.
struct SectionInfo {
  std::string_view name;
  std::string_view help;
};
[[nodiscard]] std::span<const SectionInfo> option_sections();

}  // namespace gnomon::cmd
