// SPDX-License-Identifier: Apache-2.0
#include "cmd/text/key_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::size_t kMaxKeyFile = 64 * 1024;
constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<wire::Key> parse_key(std::string_view line) {
  const std::size_t gap = line.find_first_of(kBlanks);
  if (gap == std::string_view::npos) return std::nullopt;
  const std::string_view id_text = line.substr(0, gap);
  const std::string_view hex = trimmed(line.substr(gap));
  wire::Key key;
  const auto [end, fault] = std::from_chars(id_text.data(), id_text.data() + id_text.size(), key.id.value);
  if (fault != std::errc{} || end != id_text.data() + id_text.size() || key.id.value == 0) return std::nullopt;
  if (hex.size() != 2 * key.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) {
    const char* digits = hex.data() + 2 * i;
    const auto [stop, bad] = std::from_chars(digits, digits + 2, key.bytes[i], 16);
    if (bad != std::errc{} || stop != digits + 2) return std::nullopt;
  }
  return key;
}

}  // namespace

tl::expected<std::vector<wire::Key>, std::string> parse_keys(std::string_view text, const std::string& name) {
  std::vector<wire::Key> keys;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const auto key = parse_key(line);
    if (!key)  // the line itself may be a secret with a typo: it is not repeated
      return tl::make_unexpected(
          fmt::format("{}:{}: a key is written KEY_ID HEX: an id of 1 to 65535, a blank, and 32 "
                      "hexadecimal digits",
                      name, number));
    if (std::any_of(keys.begin(), keys.end(), [&](const wire::Key& other) { return other.id == key->id; }))
      return tl::make_unexpected(fmt::format("{}:{}: key id {} is there twice", name, number, key->id.value));
    keys.push_back(*key);
  }
  if (keys.size() > wire::KeyRing::kMaxKeys)
    return tl::make_unexpected(
        fmt::format("{} has {} keys; at most {} are possible", name, keys.size(), wire::KeyRing::kMaxKeys));
  return keys;
}

tl::expected<std::vector<wire::Key>, std::string> read_keys(const std::string& path) {
  const platform::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return tl::make_unexpected(platform::system_error("open the file of keys " + path).text);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0)
    return tl::make_unexpected(platform::system_error("look at the file of keys " + path).text);
  if (!S_ISREG(info.st_mode)) return tl::make_unexpected(fmt::format("the file of keys {} is not a plain file", path));
  if ((info.st_mode & 0077U) != 0)
    return tl::make_unexpected(
        fmt::format("the file of keys {} is open to others (mode {:04o}): chmod 600 it, and replace "
                    "the keys if somebody may have read them",
                    path, info.st_mode & 07777U));
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    return tl::make_unexpected(fmt::format(
        "the file of keys {} belongs to user {}: chown it to the user of gnomond or root", path, info.st_uid));
  std::string text(kMaxKeyFile + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0) return tl::make_unexpected(platform::system_error("read the file of keys " + path).text);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxKeyFile)
    return tl::make_unexpected(fmt::format("the file of keys {} is longer than {} bytes", path, kMaxKeyFile));
  return parse_keys(std::string_view(text).substr(0, size), path);
}

}  // namespace gnomon::cmd
