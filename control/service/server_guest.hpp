// SPDX-License-Identifier: Apache-2.0
//
// A service that is served on somebody else's socket: how it gets in, and how it learns that the server begins and
// ends. The alternative, a socket per service, makes an operator guard two files for one daemon.
//
// Thread rule: the three are called by the server's owner, in this order, once for each server.
#pragma once

namespace grpc {
class Server;
class ServerBuilder;
}  // namespace grpc

namespace gnomon::control {

class ServerGuest {
 public:
  ServerGuest() = default;
  ServerGuest(const ServerGuest&) = delete;
  ServerGuest& operator=(const ServerGuest&) = delete;
  virtual ~ServerGuest() = default;

  /// Registers its services and limits.
  virtual void enter(grpc::ServerBuilder& builder) = 0;
  /// The server serves.
  virtual void settle(grpc::Server& server) = 0;
  /// The server is about to end, and waits for what is under way once this returns.
  virtual void leave(grpc::Server& server) = 0;
};

}  // namespace gnomon::control
