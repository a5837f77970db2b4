// SPDX-License-Identifier: Apache-2.0
//
// From the address of a cluster to the product's own client of it, for a bench: what can't be had ends the program.
// Thread rule: as of what is made.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "bench/paired.hpp"
#include "control/etcd/etcd_options.hpp"
#include "control/etcd/etcd_store.hpp"
#include "control/etcd/etcd_url.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::bench {

/// `url`: "etcd:http://...". Longer than an operator's deadline: a bench waits for an answer rather than counting
/// without it.
inline control::EtcdOptions options_for(const std::string& url, time::Duration deadline = time::seconds(60)) {
  auto address = control::parse_etcd_url(url);
  if (!address) die(address.error());
  control::EtcdOptions options;
  options.endpoints = std::move(address->endpoints);
  options.tls = address->tls;
  options.prefix = std::move(address->prefix);
  options.deadline = deadline;
  return options;
}

inline std::unique_ptr<control::EtcdStore> store_for(control::EtcdOptions options) {
  auto store = control::EtcdStore::open(std::move(options));
  if (!store) die(store.error().text);
  return std::move(*store);
}

/// What an answer holds; an error ends the bench.
template <typename Answer>
auto must(Answer&& answer) {
  if (!answer) die(answer.error().text);
  return *std::forward<Answer>(answer);
}

}  // namespace gnomon::bench
