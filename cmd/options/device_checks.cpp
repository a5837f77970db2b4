// SPDX-License-Identifier: Apache-2.0
//
// Texts that DPDK reads. It says little about what is wrong with one, and only once the daemon has started half way; so
// their form is checked here. Whether a device exists is not.
//
// A text of options in brackets, as in representor=[0,2], is one value, commas or not.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>

#include "cmd/options/checks.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::size_t kMaxDeviceName = 63;  // RTE_DEV_NAME_MAX_LEN, less the zero at its end
constexpr std::string_view kDriverPrefix = "net_";
constexpr std::string_view kAnyDomain = "0000";

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_visible(char c) { return c > ' ' && c < 0x7f; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view name_in(std::string_view text) { return text.substr(0, text.find(',')); }

/// With its domain and in small letters; nothing if it is no PCI address.
std::optional<std::string> pci_address(std::string_view name) {
  std::string text = lower(name);
  constexpr std::string_view kShort = "bb:dd.f";
  if (text.size() == kShort.size()) text = fmt::format("{}:{}", kAnyDomain, text);
  if (text.size() < kAnyDomain.size() + 1 + kShort.size() || text.size() > 2 * kAnyDomain.size() + 1 + kShort.size())
    return std::nullopt;
  const std::size_t domain = text.size() - kShort.size() - 1;
  const std::string_view rest = std::string_view(text).substr(domain + 1);
  const bool marks = text[domain] == ':' && rest[2] == ':' && rest[5] == '.';
  const bool digits = std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(domain), is_hex) &&
                      is_hex(rest[0]) && is_hex(rest[1]) && (rest[3] == '0' || rest[3] == '1') && is_hex(rest[4]) &&
                      rest[6] >= '0' && rest[6] <= '7';
  return marks && digits ? std::optional(text) : std::nullopt;
}

bool is_virtual_device(std::string_view name) {
  return name.starts_with(kDriverPrefix) && name.size() > kDriverPrefix.size() && name.size() <= kMaxDeviceName &&
         std::all_of(name.begin(), name.end(), is_word_char);
}

/// Up to the next comma that stands in no brackets.
std::string_view next_argument(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '[' ? 1 : text[i] == ']' ? -1 : 0;
    if (text[i] == ',' && depth <= 0) return text.substr(0, i);
  }
  return text;
}

/// What EAL is told by other options of ours, or must not be told at all; short ones by their letter.
struct Taken {
  char letter;
  std::string_view name;
  std::string_view instead;
};
constexpr std::array kTaken{
    Taken{'l', "lcores", "set workers.count and workers.cpus"},
    Taken{'c', "", "set workers.count and workers.cpus"},
    Taken{'\0', "main-lcore", "set workers.count and workers.cpus"},
    Taken{'s', "", "service cores have no use here, and would be taken from the workers"},
    Taken{'S', "", "service cores have no use here, and would be taken from the workers"},
    Taken{'m', "", "set dpdk.memory_mb"},
    Taken{'\0', "socket-mem", "set dpdk.memory_mb"},
    Taken{'\0', "no-huge", "set dpdk.memory"},
    Taken{'\0', "in-memory", "set dpdk.memory"},
    Taken{'a', "allow", "set dpdk.devices"},
    Taken{'\0', "vdev", "set dpdk.devices"},
    Taken{'\0', "no-pci", "name no PCI address in dpdk.devices"},
    Taken{'\0', "file-prefix", "set server.instance"},
    Taken{'\0', "proc-type", "gnomond is always a primary process"},
    Taken{'h', "help", "it would end the daemon; see DPDK's own documentation"},
};

/// getopt_long takes a long option by any beginning of its name, and so do we.
bool says(std::string_view word, const Taken& taken) {
  if (!word.starts_with("--")) return taken.letter != '\0' && word.size() > 1 && word[1] == taken.letter;
  const std::string_view name = word.substr(2, word.find('=') - 2);
  return !name.empty() && taken.name.starts_with(name);
}

}  // namespace

std::string device_fault(std::string_view text) {
  if (!std::all_of(text.begin(), text.end(), is_visible) || text.find(';') != std::string_view::npos)
    return fmt::format("'{}': a device has no blanks and no ';' in its text", text);
  const std::string_view name = name_in(text);
  if (!pci_address(name) && !is_virtual_device(name))
    return fmt::format(
        "'{}' is no DPDK device: write DRIVERNAME[,KEY=VALUE...] as in net_af_packet0,iface=eth1, or a PCI address as "
        "in 0000:3b:00.0",
        text);
  for (std::string_view rest = text.substr(name.size()); !rest.empty();) {
    rest.remove_prefix(1);  // the comma
    const std::string_view argument = next_argument(rest);
    const std::size_t equals = argument.find('=');
    if (equals == 0 || equals == std::string_view::npos || equals + 1 == argument.size())
      return fmt::format(
          "'{}' has '{}' where KEY=VALUE belongs; each device is an entry of its own, separated by ';' in the "
          "environment and in flags",
          text, argument);
    rest.remove_prefix(argument.size());
  }
  return {};
}

std::string device_identity(std::string_view text) {
  const std::string_view name = name_in(text);
  return pci_address(name).value_or(std::string(name));
}

std::string eal_arguments_fault(std::string_view text) {
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word.empty()) continue;
    if (!std::all_of(word.begin(), word.end(), is_visible))
      return "the arguments must be separated by blanks, and have no other invisible characters";
    if (word == "--" || word == "-" || (first && word.front() != '-'))
      return fmt::format("'{}' is no argument of EAL: write --NAME, --NAME=VALUE or -LETTER VALUE", word);
    first = false;
    if (word.front() != '-') continue;  // the value of the one before
    const auto* taken =
        std::find_if(kTaken.begin(), kTaken.end(), [&](const Taken& candidate) { return says(word, candidate); });
    if (taken != kTaken.end()) return fmt::format("'{}' can't be given here: {}", word, taken->instead);
  }
  return {};
}

}  // namespace gnomon::cmd
