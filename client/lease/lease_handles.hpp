// SPDX-License-Identifier: Apache-2.0
//
// What is behind the handles that users hold.
// Thread rule: as lease_client.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "client/lease/abandon.hpp"
#include "client/lease/lease_client.hpp"
#include "client/lease/session_core.hpp"

namespace gnomon::client {

struct Lease::State {
  State(std::shared_ptr<SessionCore> session, std::string lease_name, std::uint64_t lease_token)
      : core(std::move(session)), name(std::move(lease_name)), token(lease_token) {}

  LeaseResult<void> release(bool in_passing);

  const std::shared_ptr<SessionCore> core;
  const std::string name;
  const std::uint64_t token;
  std::atomic<bool> over{false};
};

struct Session::State {
  std::shared_ptr<SessionCore> core;
};

struct LeaseClient::State {
  std::shared_ptr<LeaseTransport> transport;
};

}  // namespace gnomon::client
