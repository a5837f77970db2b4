// SPDX-License-Identifier: Apache-2.0
//
// All clients of a run, as threads on the hosts of clients; those of leases and of clock pages on the daemons' hosts,
// where a socket of the file system and shared memory are, for which there is no network in between.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/bed.hpp"
#include "tests/chaos/clients.hpp"
#include "tests/chaos/history.hpp"

namespace gnomon::chaos {

class Population {
 public:
  /// They begin at once.
  Population(const Bed& bed, std::uint64_t seed);
  ~Population();
  Population(const Population&) = delete;
  Population& operator=(const Population&) = delete;

  struct Standing {
    std::string client;
    time::Tai last_served;  // when it asked for what it was answered last
  };
  [[nodiscard]] std::vector<Standing> standing() const;
  /// Tells all to stop and waits for them.
  [[nodiscard]] Histories finish();

 private:
  using Task = std::function<void(Diary&, const std::stop_token&)>;
  struct Member {
    Diary diary;
    std::jthread thread{};
    explicit Member(std::string client) : diary(std::move(client)) {}
  };
  void add(const std::string& client, Task task);
  void add_of_daemon(const Bed& bed, std::size_t j, std::uint64_t seed);

  HlcExchange exchange_;
  client::TokenGuard resource_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace gnomon::chaos
