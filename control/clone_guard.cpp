// SPDX-License-Identifier: Apache-2.0
#include "control/clone_guard.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "platform/durable_file.hpp"

namespace gnomon::control {
namespace {

constexpr std::uint32_t kKernelGroup = 1;
constexpr int kReceiveBuffer = 1 << 20;  // a burst of device events must not push the one that matters out
constexpr int kMaxEventsPerCall = 1024;
constexpr std::size_t kMaxEvent = 8192;  // the kernel's own limit is 2048 bytes of variables

}  // namespace

bool announces_new_vm(std::string_view uevent) {
  if (uevent.find('@') == std::string_view::npos) return false;
  while (!uevent.empty()) {
    const std::string_view field = uevent.substr(0, uevent.find('\0'));
    if (field == "NEW_VMGENID=1") return true;
    uevent.remove_prefix(std::min(uevent.size(), field.size() + 1));
  }
  return false;
}

tl::expected<CloneGuard, platform::SystemError> CloneGuard::open() {
  platform::UniqueFd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd.valid()) return tl::make_unexpected(platform::system_error("open the kernel's event socket"));
  // Beyond the system's limit if we may. The default does, too: what it can't hold is reported as missed.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelGroup;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return tl::make_unexpected(platform::system_error("listen to the kernel's events"));
  return CloneGuard(std::move(fd));
}

CloneGuard::Heard CloneGuard::take_events() {
  Heard heard;
  std::array<char, kMaxEvent> buffer{};
  for (int i = 0; i < kMaxEventsPerCall; ++i) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    const ssize_t n =
        ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&sender), &size);
    if (n < 0 && errno == ENOBUFS) heard.missed = true;
    if (n < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
    if (n < 0) break;
    const bool from_kernel = sender.nl_pid == 0;
    if (from_kernel && announces_new_vm({buffer.data(), static_cast<std::size_t>(n)})) heard.cloned = true;
  }
  return heard;
}

std::string read_boot_id() {
  return platform::read_file("/proc/sys/kernel/random/boot_id", 4096)
      .value_or(std::optional<std::string>{})
      .value_or("");
}

}  // namespace gnomon::control
