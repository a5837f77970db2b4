// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/etcd_settings.hpp"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "control/etcd/etcd_url.hpp"
#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

constexpr mode_t kOthers = 0077;

/// A secret that others can read protects nothing.
tl::expected<void, std::string> check_private(const std::string& path, const char* option) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0)
    return tl::make_unexpected(platform::system_error("read " + path).text + fmt::format(" ({})", option));
  if ((found.st_mode & kOthers) != 0)
    return tl::make_unexpected(
        fmt::format("{} ({}) can be read by others than its owner: chmod 600 {}", path, option, path));
  return {};
}

tl::expected<std::string, std::string> read_password(const std::string& path) {
  if (const auto checked = check_private(path, "store.password_file"); !checked)
    return tl::make_unexpected(checked.error());
  std::ifstream file(path);
  std::string password;
  if (!std::getline(file, password) || password.empty())
    return tl::make_unexpected(fmt::format("{} (store.password_file) has no password in its first line", path));
  return password;
}

}  // namespace

bool is_etcd(const Settings& settings) { return settings.store.url.starts_with("etcd:"); }

tl::expected<control::EtcdOptions, std::string> etcd_options(const Settings& settings) {
  auto address = control::parse_etcd_url(settings.store.url);
  if (!address) return tl::make_unexpected(address.error());
  control::EtcdOptions options;
  options.endpoints = std::move(address->endpoints);
  options.tls = address->tls;
  options.prefix = std::move(address->prefix);
  options.ca_file = settings.store.ca_file;
  options.certificate_file = settings.store.cert_file;
  options.key_file = settings.store.key_file;
  options.user = settings.store.user;
  options.deadline = time::milliseconds(std::min(settings.store.timeout_ms, settings.rights.window_ms / 4));
  if (!options.key_file.empty())
    if (const auto checked = check_private(options.key_file, "store.key_file"); !checked)
      return tl::make_unexpected(checked.error());
  if (settings.store.password_file.empty()) return options;
  auto password = read_password(settings.store.password_file);
  if (!password) return tl::make_unexpected(password.error());
  options.password = std::move(*password);
  return options;
}

}  // namespace gnomon::cmd
