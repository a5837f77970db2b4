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

std::optional<SourceError> DatagramSocket::open(const std::string& own, const std::string& peer,
                                                std::string_view daemon) {
  close();
  const UnixAddress address = address_of(own);
  const UnixAddress theirs = address_of(peer);
  if (!address.fits || !theirs.fits)
    return unreadable(fmt::format("'{}' or '{}' is no path for a Unix socket: it is empty or longer than {} bytes", own,
                                  peer, sizeof address.name.sun_path - 1));
  platform::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return unreadable(platform::system_error("open a Unix socket").text);
  if (::connect(fd.get(), raw(theirs.name), sizeof theirs.name) != 0)
    return unreadable(platform::system_error(fmt::format("ask {} at {}", daemon, peer)).text +
                      "; does it run, and may gnomond write to its socket?");
  ::unlink(own.c_str());
  if (::bind(fd.get(), raw(address.name), sizeof address.name) != 0)
    return unreadable(platform::system_error("bind the socket " + own).text);
  own_ = own;
  peer_ = peer;
  daemon_ = daemon;
  fd_ = std::move(fd);
  // chronyd has given up root when it answers.
  if (::chmod(own.c_str(), 0666) != 0) {
    auto error = unreadable(platform::system_error(fmt::format("let {} answer to {}", daemon, own)).text);
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

bool DatagramSocket::sent(std::span<const std::byte> message) const {
  return ::send(fd_.get(), message.data(), message.size(), MSG_DONTWAIT) >= 0;
}

std::optional<SourceError> DatagramSocket::send(std::span<const std::byte> message) {
  if (sent(message)) return std::nullopt;
  // Who was asked is gone, or hangs while another has taken its place.
  if (auto failed = open(std::string(own_), std::string(peer_), std::string(daemon_))) return failed;
  if (sent(message)) return std::nullopt;
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return unreadable(fmt::format("{} at {} takes no questions: its queue is full; does it hang?", daemon_, peer_));
  return unreadable(platform::system_error(fmt::format("ask {} at {}", daemon_, peer_)).text);
}

std::span<const std::byte> DatagramSocket::receive(std::span<std::byte> buffer) const {
  const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  return buffer.first(size > 0 ? static_cast<std::size_t>(size) : 0);
}

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // can't fail with this clock
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace gnomon::ptp
