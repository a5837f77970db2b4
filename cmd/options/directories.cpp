// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/directories.hpp"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

constexpr const char* kSystemRuntime = "/run/gnomon";
constexpr const char* kSystemState = "/var/lib/gnomon";

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value == nullptr ? std::string() : std::string(value);
}

/// systemd lists several directories with colons; the first is ours.
std::string first_of_list(const std::string& list) { return list.substr(0, list.find(':')); }

bool usable(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode) && ::access(path.c_str(), W_OK | X_OK) == 0;
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return ::access(parent.c_str(), W_OK | X_OK) == 0;
}

std::string private_runtime() { return fmt::format("/tmp/gnomon-{}", ::geteuid()); }

}  // namespace

std::string runtime_directory() {
  if (const std::string given = environment("RUNTIME_DIRECTORY"); !given.empty()) return first_of_list(given);
  if (const std::string user = environment("XDG_RUNTIME_DIR"); !user.empty()) return user + "/gnomon";
  if (usable(kSystemRuntime)) return kSystemRuntime;
  return private_runtime();
}

tl::expected<std::string, std::string> state_directory(const Settings& settings) {
  if (!settings.state.dir.empty()) return settings.state.dir;
  if (const std::string given = environment("STATE_DIRECTORY"); !given.empty()) return first_of_list(given);
  if (usable(kSystemState)) return std::string(kSystemState);
  if (const std::string xdg = environment("XDG_STATE_HOME"); !xdg.empty()) return xdg + "/gnomon";
  if (const std::string home = environment("HOME"); !home.empty()) return home + "/.local/state/gnomon";
  return tl::make_unexpected(std::string(
      "there is no place for the state: /var/lib/gnomon can't be written and $HOME is not set; name one with "
      "state.dir"));
}

tl::expected<void, std::string> prepare_private_directory(const std::string& path, const char* what) {
  std::error_code code;
  const std::filesystem::path parent = std::filesystem::absolute(path, code).parent_path();
  if (!code) std::filesystem::create_directories(parent, code);
  if (code)
    return tl::make_unexpected(
        platform::system_error(fmt::format("create {} {}", what, parent.string()), code.value()).text);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return tl::make_unexpected(platform::system_error(fmt::format("create {} {}", what, path)).text);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0)
    return tl::make_unexpected(platform::system_error(fmt::format("look at {} {}", what, path)).text);
  // A symbolic link is fine if it is the user's own (/var/lib/gnomon under DynamicUser is one).
  const bool own_link = S_ISLNK(info.st_mode) && (info.st_uid == 0 || info.st_uid == ::geteuid());
  if (own_link && ::stat(path.c_str(), &info) != 0)
    return tl::make_unexpected(platform::system_error(fmt::format("look at {} {}", what, path)).text);
  if (!S_ISDIR(info.st_mode)) return tl::make_unexpected(fmt::format("{} {} is not a directory", what, path));
  if (info.st_uid != ::geteuid() && ::geteuid() != 0)
    return tl::make_unexpected(
        fmt::format("{} {} belongs to user {}, and this is user {}; remove it or name another one", what, path,
                    info.st_uid, ::geteuid()));
  if ((info.st_mode & 0022U) != 0)
    return tl::make_unexpected(
        fmt::format("{} {} can be written by others (mode {:04o}); chmod go-w it", what, path, info.st_mode & 07777U));
  return {};
}

std::string socket_path(const Settings& settings) {
  if (!settings.control.socket.empty()) return settings.control.socket;
  return fmt::format("{}/{}.sock", runtime_directory(), settings.server.instance);
}

std::string find_socket(const Settings& settings) {
  std::string first = socket_path(settings);
  if (!settings.control.socket.empty() || ::access(first.c_str(), F_OK) == 0) return first;
  for (const std::string& directory : {std::string(kSystemRuntime), private_runtime()}) {
    const std::string path = fmt::format("{}/{}.sock", directory, settings.server.instance);
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  return first;
}

std::string database_path(const Settings& settings, const std::string& state_dir) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (settings.store.url.empty()) return state_dir + "/gnomon.db";
  return settings.store.url.substr(kSqlite.size());
}

}  // namespace gnomon::cmd
