// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/device.hpp"

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "dataplane/dpdk/eal.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::dataplane::dpdk {
namespace {

using platform::SystemError;

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// [domain:]bus:device.function
bool is_pci_address(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::size_t colon = name.rfind(':');
  if (dot == std::string_view::npos || colon == std::string_view::npos || dot < colon) return false;
  std::string_view bus = name.substr(0, colon);
  if (const std::size_t domain = bus.find(':'); domain != std::string_view::npos) {
    if (!is_hex(bus.substr(0, domain))) return false;
    bus.remove_prefix(domain + 1);
  }
  return is_hex(bus) && is_hex(name.substr(colon + 1, dot - colon - 1)) && is_hex(name.substr(dot + 1));
}

}  // namespace

std::string remedy_for(const Device& device, int code, const std::string& logged) {
  const auto drives = [&](std::string_view driver) { return device.name.starts_with(driver); };
  const auto said = [&](std::string_view words) { return logged.find(words) != std::string::npos; };
  const bool on_interface = drives("net_af_packet") || drives("net_af_xdp");
  const bool said_forbidden = code == EACCES || said("not permitted") || said("ermission denied");
  const bool forbidden = said_forbidden || code == EPERM;  // -1 is also what drivers return for anything
  if (device.is_pci)
    return "; see `dpdk-devbind.py --status`: the device must exist and be bound to vfio-pci (mlx5: to its kernel "
           "driver), and this user needs access to /dev/vfio";
  if (on_interface && (said("No such device") || said("does not exist")))
    return "; the interface '" + argument_of(device, "iface") + "' does not exist here: see `ip link`";
  // Before permissions: these return -1 for everything, which reads as EPERM.
  if (drives("net_memif") || drives("net_vhost"))
    return "; check the path of its socket: its folder must exist and be writable, and nobody else may listen on it";
  if (on_interface && (said("temporarily unavailable") || said("create umem")))
    return "; grant CAP_NET_RAW; and it locks its buffers in memory: raise LimitMEMLOCK, or grant CAP_IPC_LOCK";
  if (drives("net_af_packet") && forbidden) return "; grant CAP_NET_RAW and CAP_NET_ADMIN";
  if (drives("net_af_xdp") && (forbidden || said("xsk socket")))
    return "; grant CAP_NET_RAW, CAP_NET_ADMIN and CAP_SYS_ADMIN (libxdp loads a program), and see that no daemon that "
           "was killed left one: `ip link set dev " +
           argument_of(device, "iface") + " xdp off`";
  if (drives("net_tap") && (forbidden || said("Unable to create TAP")))
    return "; grant CAP_NET_ADMIN, and access to /dev/net/tun";
  if (said_forbidden) return "; this user lacks a permission that the device needs";
  if (said("failed to parse device") || said("Cannot find") || said("no driver"))
    return "; there is no driver for it: check the name, and that the package of the driver is installed "
           "(librte-net-*)";
  if (on_interface) return "; check iface=NAME in its arguments, and what the driver asks for (docs/dpdk.md)";
  return "; check its name and arguments";
}

Device parse_device(std::string_view text) {
  Device out;
  out.text = text;
  const std::size_t comma = std::min(text.find(','), text.size());
  out.name = text.substr(0, comma);
  out.arguments = text.substr(std::min(comma + 1, text.size()));
  out.is_pci = is_pci_address(out.name);
  if (!out.is_pci) return out;
  // As DPDK calls it: with its domain, and in small letters.
  if (std::count(out.name.begin(), out.name.end(), ':') == 1) out.name.insert(0, "0000:");
  std::transform(out.name.begin(), out.name.end(), out.name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string argument_of(const Device& device, std::string_view key) {
  std::string_view rest = device.arguments;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    const std::string_view pair = rest.substr(0, end);
    if (pair.size() > key.size() && pair.starts_with(key) && pair[key.size()] == '=')
      return std::string(pair.substr(key.size() + 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

std::string listening_socket_of(const Device& device) {
  if (device.name.starts_with("net_memif")) {
    const bool serves = argument_of(device, "role") == "server" || argument_of(device, "role") == "master";
    return serves && argument_of(device, "socket-abstract") == "no" ? argument_of(device, "socket") : std::string();
  }
  if (device.name.starts_with("net_vhost") && argument_of(device, "client") != "1") return argument_of(device, "iface");
  return {};
}

void remove_dead_socket(const std::string& path) {
  struct stat facts{};
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  if (::lstat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  // A listener never hears of a datagram socket that calls it, and must not: DPDK's memif server aborts the process if
  // a caller hangs up at once. The call is refused if nobody has the socket, and of the wrong type if somebody has.
  const platform::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const bool called = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (!called && errno == ECONNREFUSED) (void)::unlink(path.c_str());
}

tl::expected<std::uint16_t, SystemError> attach(const Device& device, Eal& eal) {
  // Its driver crashes when it is closed after its peer has come and gone (DPDK 22.11).
  if (device.name.starts_with("net_virtio_user") && argument_of(device, "server") == "1")
    return tl::make_unexpected(SystemError{
        ENOTSUP, "cannot use the device " + device.text +
                     ": its driver does not survive its own end as a server; let the other side be the server "
                     "(net_vhost here, net_virtio_user there), or leave server=1 out"});
  if (const std::string strides = argument_of(device, "mprq_en"); !strides.empty() && strides != "0")
    return tl::make_unexpected(
        SystemError{ENOTSUP, "cannot use the device " + device.text +
                                 ": its driver would hand over frames in buffers that are not the worker's own; leave "
                                 "mprq_en out of its arguments"});
  eal.forget_log();
  int code = 0;
  std::uint16_t port = 0;
  if (!device.is_pci && rte_eth_dev_get_port_by_name(device.name.c_str(), &port) != 0) {
    const std::string socket = listening_socket_of(device);
    remove_dead_socket(socket);
    // Not left to the driver: vhost removes whatever it can't bind to, and so cuts off whoever listens there.
    if (struct stat facts{}; !socket.empty() && ::lstat(socket.c_str(), &facts) == 0)
      return tl::make_unexpected(
          SystemError{EADDRINUSE, "cannot open the device " + device.text + ": another program listens on " + socket +
                                      ", or something else is there; stop that program, or name another socket"});
    code = -rte_dev_probe(device.text.c_str());
  }
  if (code == 0 && rte_eth_dev_get_port_by_name(device.name.c_str(), &port) == 0) return port;
  if (device.is_pci) code = ENODEV;
  const std::string logged = device.is_pci ? eal.said_at_start() : eal.logged();
  const std::string reason =
      code > EPERM ? std::string(": ") + std::generic_category().message(code) : std::string();  // as above
  return tl::make_unexpected(
      SystemError{code, "cannot open the device " + device.text + reason + logged + remedy_for(device, code, logged)});
}

}  // namespace gnomon::dataplane::dpdk
