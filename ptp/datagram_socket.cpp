// SPDX-License-Identifier: Apache-2.0
#include "ptp/datagram_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/system_error.hpp"

namespace gnomon::ptp {
namespace {

constexpr int kMaxForged = 64;  // datagrams of strangers that one call throws away

struct UnixAddress {
  sockaddr_un name{};
  bool fits = false;
};

UnixAddress address_of(const std::string& path) {
  UnixAddress address;
  address.name.sun_family = AF_UNIX;
  address.fits = !path.empty() && path.size() < sizeof address.name.sun_path;
  if (address.fits) std::memcpy(address.name.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* raw(const sockaddr_un& name) {
  return reinterpret_cast<const sockaddr*>(&name);  // NOLINT(*-reinterpret-cast): what the socket API asks for
}

SourceError unreadable(std::string text) { return {SourceFault::kUnreadable, std::move(text)}; }

}  // namespace

std::optional<SourceError> DatagramSocket::open(const std::string& own, const std::string& peer) {
  const UnixAddress address = address_of(own);
  if (!address.fits || !address_of(peer).fits)
    return unreadable(fmt::format("'{}' or '{}' is no path for a Unix socket: it is empty or longer than {} bytes", own,
                                  peer, sizeof address.name.sun_path - 1));
  platform::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return unreadable(platform::system_error("open a Unix socket").text);
  ::unlink(own.c_str());
  if (::bind(fd.get(), raw(address.name), sizeof address.name) != 0)
    return unreadable(platform::system_error("bind the socket " + own).text);
  own_ = own;
  peer_ = peer;
  fd_ = std::move(fd);
  // chronyd has given up root when it answers. Whose datagrams count is decided by `is_peer`.
  if (::chmod(own.c_str(), 0666) != 0) {
    auto error = unreadable(platform::system_error("let the daemon answer to " + own).text);
    close();
    return error;
  }
  return std::nullopt;
}

void DatagramSocket::close() {
  if (!fd_.valid()) return;
  fd_.reset();
  ::unlink(own_.c_str());
}

std::optional<SourceError> DatagramSocket::send(std::span<const std::byte> message, std::string_view daemon) const {
  const UnixAddress address = address_of(peer_);
  if (::sendto(fd_.get(), message.data(), message.size(), MSG_DONTWAIT, raw(address.name), sizeof address.name) >= 0)
    return std::nullopt;
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return unreadable(fmt::format("{} at {} takes no questions: its queue is full; does it hang?", daemon, peer_));
  return unreadable(platform::system_error(fmt::format("ask {} at {}", daemon, peer_)).text +
                    "; does it run, and may gnomond write to its socket?");
}

std::span<const std::byte> DatagramSocket::receive(std::span<std::byte> buffer) const {
  for (int i = 0; i < kMaxForged; ++i) {
    sockaddr_un from{};
    socklen_t from_size = sizeof from;
    const ssize_t size =
        ::recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from),
                   &from_size);  // NOLINT(*-reinterpret-cast): the socket API
    if (size <= 0) return {};
    constexpr std::size_t kHead = offsetof(sockaddr_un, sun_path);
    const std::size_t room = from_size > kHead ? from_size - kHead : 0;
    if (is_peer({from.sun_path, ::strnlen(from.sun_path, room)})) return buffer.first(static_cast<std::size_t>(size));
  }
  return {};
}

// By the file, not by its name: /var/run is a link to /run.
bool DatagramSocket::is_peer(std::string_view sender) const {
  if (sender == peer_) return true;
  struct stat theirs{};
  struct stat expected{};
  return !sender.empty() && ::stat(std::string(sender).c_str(), &theirs) == 0 &&
         ::stat(peer_.c_str(), &expected) == 0 && theirs.st_dev == expected.st_dev && theirs.st_ino == expected.st_ino;
}

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // can't fail with this clock
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace gnomon::ptp
