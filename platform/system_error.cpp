// SPDX-License-Identifier: Apache-2.0
#include "platform/system_error.hpp"

#include <cerrno>
#include <system_error>

namespace gnomon::platform {
namespace {

std::string_view remedy(int code) {
  switch (code) {
    case EACCES:
    case EPERM: return "; check who owns it and its mode, or run as the user that may";
    case EADDRINUSE: return "; another program has this address: stop it or choose another port";
    case EADDRNOTAVAIL: return "; no interface of this host has this address: check the listen addresses";
    case ENOSPC: return "; free space on that file system";
    case EROFS: return "; the file system is mounted read-only: remount it or choose another directory";
    case EMFILE:
    case ENFILE: return "; raise the limit of open files (ulimit -n, LimitNOFILE)";
    case ENOENT: return "; create it, or correct the path";
    default: return "";
  }
}

}  // namespace

SystemError system_error(std::string_view what) { return system_error(what, errno); }

SystemError system_error(std::string_view what, int code) {
  std::string text = "cannot ";
  text.append(what).append(": ").append(std::generic_category().message(code)).append(remedy(code));
  return {code, std::move(text)};
}

}  // namespace gnomon::platform
