// SPDX-License-Identifier: Apache-2.0
//
// How to reach an etcd cluster, and where in it gnomon lives.
#pragma once

#include <string>
#include <vector>

#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct EtcdOptions {
  std::vector<std::string> endpoints;  // "host:port", "[::1]:2379"; of one cluster
  bool tls = false;
  std::string ca_file;                        // PEM; empty: the system's roots
  std::string certificate_file;               // PEM, our own; empty: none is shown
  std::string key_file;                       // PEM, of that certificate
  std::string user;                           // empty: no password login (a certificate may still name a user)
  std::string password;                       // of the user
  std::string prefix = "gnomon/";             // before every key; ends with '/'
  time::Duration deadline = {1'000'000'000};  // of one call, everything that is tried included
};

}  // namespace gnomon::control
