// SPDX-License-Identifier: Apache-2.0
//
// The engine's body: one thread, its sockets, and the queue through which all other threads hand in calls.
//
// A call is a node that the caller owns (on its stack if it blocks), pushed onto a lock-free stack of which the thread
// takes everything at once: no allocation, and no lock that a fork could leave held. The thread is woken (eventfd) only
// if it sleeps.
//
//   loop: take calls -> tick -> transmit, send -> deliver -> sleep until something is there -> receive
//
// Thread rule: `submit`, `stats`, `is_this_thread` from any thread. The destructor ends pending calls with kClosed.
#pragma once

#include <poll.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "client/engine.hpp"
#include "client/fork_guard.hpp"
#include "client/local_time.hpp"
#include "client/udp_link.hpp"
#include "oracle/page/seqlock.hpp"
#include "platform/unique_fd.hpp"
#include "platform/uptime.hpp"

namespace gnomon::client {

/// A call in the hands of the thread.
class PendingCall {
 public:
  PendingCall() = default;
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;
  virtual ~PendingCall() = default;

  /// On the I/O thread. After the outcome that is the last one, nobody touches the object any more.
  virtual void take(Outcome outcome) = 0;

  Call call;  // token and deadline are filled in by the thread

 private:
  friend class IoThread;
  PendingCall* next_ = nullptr;
};

struct IoSettings {
  EngineOptions engine;  // the secret is drawn anew for each thread
  time::Duration deadline;
  std::size_t max_pending = 0;
  LocalTimeOptions local_time;
};

class IoThread {
 public:
  [[nodiscard]] static Result<std::unique_ptr<IoThread>> start(const IoSettings& settings);
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;
  ~IoThread();

  /// Taken on: `take` will be called. Refused (kOverloaded, kClosed): it won't.
  [[nodiscard]] Result<void> submit(PendingCall& call);
  [[nodiscard]] Stats stats() const;
  [[nodiscard]] bool is_this_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  /// In a forked child, instead of the destructor: closes the inherited sockets where they are still there, touches
  /// nothing else. The eventfd stays open: nothing tells it from another one that the child has opened under its
  /// number.
  void abandon();

 private:
  IoThread(const IoSettings& settings, std::vector<UdpLink> links, platform::UniqueFd wake);

  void run();
  void take_calls(time::Uptime now);
  void step(time::Uptime now);
  void send_bursts(time::Uptime now);
  void deliver();
  void sleep();
  void receive(time::Uptime now);
  void wind_up();

  IoSettings settings_;
  std::vector<UdpLink> links_;
  platform::UniqueFd wake_;
  Engine engine_;
  Effects effects_;
  std::vector<Burst> bursts_;
  std::vector<Outcome> outcomes_;
  ReceiveBuffers buffers_;
  std::vector<std::span<const std::byte>> datagrams_;
  std::vector<pollfd> polled_;
  std::uint64_t send_failures_ = 0;
  ForkGuard guard_;  // for a callback that forks

  alignas(64) std::atomic<PendingCall*> submitted_{nullptr};
  alignas(64) std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  alignas(64) std::atomic<std::size_t> pending_{0};
  std::atomic<std::uint64_t> overloaded_{0};
  page::Seqlock<Stats> published_;
  std::thread thread_;
};

using platform::read_uptime;

}  // namespace gnomon::client
