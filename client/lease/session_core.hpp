// SPDX-License-Identifier: Apache-2.0
//
// A session at work: its keeper with a thread to run it, the calls under way, and what has to be settled in the
// background.
//
// Two things may take effect late: an acquisition that was given up, and a release whose answer was lost. Both are put
// right in the background. A request may arrive long after its deadline, which counts anew from its arrival; so nothing
// that is sent may take a new grant away, however late, while its holder believes in it:
//   a release                   names its token, and is repeated until it has an answer; the name is not acquired again
//                               before, so a late copy finds another token
//   an acquisition given up     at once, and once more when no copy of it should be at work: first the place in the
//                               queue is given up (token 0, which releases no grant), so that nothing parked takes the
//                               name; then a look says whether this session holds it, and if so under which token to
//                               release it
// After a lost answer to the giving up of a place the name rests: a copy would cost the next wait its place.
//
// The belief is judged under the mutex by clocks read under it, so no thread sees time go back. Callbacks run on the
// session's thread without the mutex. Answers arrive on the transport's thread, which the end of the session waits for.
// Thread rule: any thread; `shut_down` by one, last.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/lease/lease_call.hpp"
#include "client/lease/lease_client.hpp"
#include "client/lease/lease_transport.hpp"
#include "client/lease/session_keeper.hpp"

namespace gnomon::client {

class SessionCore final : private CallOwner {
 public:
  [[nodiscard]] static LeaseResult<std::shared_ptr<SessionCore>> open(std::shared_ptr<LeaseTransport> transport,
                                                                      SessionOptions options);
  ~SessionCore() override = default;

  [[nodiscard]] bool is_ours() const { return transport_->is_ours(); }
  [[nodiscard]] const std::string& id() const { return id_; }

  [[nodiscard]] Belief belief();
  [[nodiscard]] bool holds();
  [[nodiscard]] time::Duration left();
  /// Waits until the belief is another than `known`, or `over` is set.
  [[nodiscard]] Belief wait(Belief known, time::Duration timeout, const std::atomic<bool>& over);
  void wake();

  /// The token. The name is this caller's until `release`.
  [[nodiscard]] LeaseResult<std::uint64_t> acquire(const std::string& name, const AcquireOptions& options);
  /// The caller believes in nothing any more. `in_passing`: one attempt, shortly; the rest happens in the background.
  [[nodiscard]] LeaseResult<void> release(const std::string& name, std::uint64_t token, bool in_passing);

  [[nodiscard]] LeaseResult<void> close(bool in_passing);
  /// Closes it if need be, and ends the thread. No callback runs afterwards.
  void shut_down();

 private:
  class StoppableCall;
  /// What is given back in the background.
  struct Chore {
    std::uint64_t number = 0;
    std::string name;
    std::uint64_t token = 0;  // to be released; 0: there may be a place in the queue, or a grant that nobody told of
    bool withdrawn = false;   // that place is given up: to look for the grant comes next
    HostDeadline due;
    time::Duration pause;
    bool under_way = false;
  };

  SessionCore(std::shared_ptr<LeaseTransport> transport, SessionOptions options);

  // CallOwner
  [[nodiscard]] bool admit(const std::shared_ptr<grpc::ClientContext>& context) override;
  void dismiss(const std::shared_ptr<grpc::ClientContext>& context) override;
  [[nodiscard]] LeaseError why_over() const override;

  // With the mutex held:
  [[nodiscard]] bool is_over() const { return closed_ || keeper_.belief() == Belief::kLost; }
  [[nodiscard]] LeaseError reason() const;
  HostClocks look();
  void apply(const KeeperEffects& effects);
  void send_renewal(std::uint64_t attempt, std::size_t server, std::size_t tries);
  void cancel_calls();
  void do_chores();
  void send_chore(Chore& chore);
  template <typename Request, typename Response>
  void send_chore(Chore& chore, LeaseMethod<Request, Response> method, const Request& request);
  void add_chore(const std::string& name, std::uint64_t token, time::Duration in, bool withdrawn = false);
  /// Whether nothing is left of it to do.
  [[nodiscard]] bool is_done(Chore& chore, const v1::ReleaseResponse& response) const;
  [[nodiscard]] bool is_done(Chore& chore, const v1::GetLeaseResponse& response) const;
  void rest(const std::string& name, const HostDeadline& until);
  [[nodiscard]] bool is_settled(const std::string& name);
  [[nodiscard]] bool is_acquiring(const std::string& name) const;
  [[nodiscard]] time::Duration until_chore() const;

  // Without it:
  void run();
  void tell(Belief belief);
  void renewed(std::uint64_t attempt, std::size_t server, std::size_t tries, const grpc::Status& status,
               const v1::SessionResponse& response);
  template <typename Response>
  void chore_answered(std::uint64_t number, std::size_t server, const grpc::Status& status, const Response& response);
  void lost_by_server(const std::string& text);
  [[nodiscard]] LeaseResult<void> open_here();
  [[nodiscard]] LeaseResult<void> confirm();
  [[nodiscard]] LeaseResult<void> reserve(const std::string& name, const AcquireOptions& options);
  void give_up_name(const std::string& name);
  void note_open(const std::string& name, const CallReport& report);
  [[nodiscard]] LeaseResult<std::uint64_t> ask_for(const std::string& name, const AcquireOptions& options);
  [[nodiscard]] LeaseResult<std::uint64_t> take(const std::string& name, const v1::Held& held, bool waited);
  [[nodiscard]] bool pause(time::Duration length);
  void withdraw(const std::string& name);

  const std::shared_ptr<LeaseTransport> transport_;
  const SessionOptions options_;
  const std::string nonce_;  // 16 bytes
  const std::string id_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  SessionKeeper keeper_;
  bool closed_ = false;
  bool ended_there_ = false;  // by the server's word
  bool stopping_ = false;
  std::string why_lost_;
  std::deque<Belief> untold_;
  std::set<std::shared_ptr<grpc::ClientContext>> calls_;  // to be cancelled when the session is over
  std::size_t under_way_ = 0;                             // answers that will come on the transport's thread
  std::optional<std::size_t> silent_;                     // was asked for the newest renewal, has not answered yet
  enum class Use : std::uint8_t { kAcquiring, kHeld };
  std::map<std::string, Use> in_use_;
  std::map<std::string, HostDeadline> resting_;
  std::vector<Chore> chores_;
  std::uint64_t last_chore_ = 0;
  std::thread thread_;
};

}  // namespace gnomon::client
