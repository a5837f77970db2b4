// SPDX-License-Identifier: Apache-2.0
//
// The address of an etcd store as an operator writes it:
//
//   etcd:https://a:2379,https://b:2379,https://[2001:db8::3]:2379           keys below gnomon/
//   etcd:http://127.0.0.1:2379/teams/payments                               keys below teams/payments/, no TLS
//
// It is read strictly. A port that is guessed, or one http:// among https://, would work at first and then send rights
// in the clear or to somebody else's program, so each such text is refused with a sentence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace gnomon::control {

struct EtcdAddress {
  std::vector<std::string> endpoints;  // "host:port", in the order written, each once
  bool tls = false;
  std::string prefix;  // ends with '/', never begins with it
  friend bool operator==(const EtcdAddress&, const EtcdAddress&) = default;
};

/// `url` includes the leading "etcd:". The error is a complete sentence that names the input.
[[nodiscard]] tl::expected<EtcdAddress, std::string> parse_etcd_url(std::string_view url);

}  // namespace gnomon::control
