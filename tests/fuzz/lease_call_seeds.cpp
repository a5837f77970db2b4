// SPDX-License-Identifier: Apache-2.0
//
// Where the fuzzer of lease calls begins: one short story for each thing that can be said of a lease.
#include <string>

#include "gnomon/v1/lease.pb.h"
#include "oracle/time/instant.hpp"
#include "tests/fuzz/lease_call_input.hpp"

namespace gnomon::fuzz {
namespace {

const std::string kOne(16, 'A');
const std::string kTwo(16, 'B');
const std::string kOneHex = "41414141414141414141414141414141";
const std::string kNonce = "000102030405060708090a0b0c0d0e0f";
constexpr std::uint8_t kByOther = 0x80;

class Story {
 public:
  Story& add(Step step, const std::string& bytes, std::uint8_t by = 0) {
    input_.push_back(static_cast<std::uint8_t>(static_cast<std::uint8_t>(step) | by));
    input_.push_back(static_cast<std::uint8_t>(bytes.size() & 0xff));
    input_.push_back(static_cast<std::uint8_t>(bytes.size() >> 8));
    input_.insert(input_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Story& open(const std::string& session, time::Duration ttl = time::seconds(10), const std::string& label = "host 7",
              std::uint8_t by = 0) {
    v1::OpenSessionRequest request;
    request.set_session(session);
    request.set_ttl_ns(ttl.ns);
    request.set_label(label);
    return add(Step::kOpenSession, request.SerializeAsString(), by);
  }
  Story& renew(const std::string& session, time::Duration ttl = time::seconds(10), std::uint8_t by = 0) {
    v1::RenewSessionRequest request;
    request.set_session(session);
    request.set_ttl_ns(ttl.ns);
    return add(Step::kRenewSession, request.SerializeAsString(), by);
  }
  Story& close(const std::string& session) {
    v1::CloseSessionRequest request;
    request.set_session(session);
    return add(Step::kCloseSession, request.SerializeAsString());
  }
  Story& acquire(const std::string& session, const std::string& name = "a", time::Duration wait = {},
                 time::Duration lock_delay = {}, const std::string& metadata = "") {
    v1::AcquireRequest request;
    request.set_session(session);
    request.set_name(name);
    request.set_wait_ns(wait.ns);
    request.set_lock_delay_ns(lock_delay.ns);
    request.set_metadata(metadata);
    return add(Step::kAcquire, request.SerializeAsString());
  }
  Story& release(const std::string& session, const std::string& name = "a", std::uint64_t token = 0) {
    v1::ReleaseRequest request;
    request.set_session(session);
    request.set_name(name);
    request.set_token(token);
    return add(Step::kRelease, request.SerializeAsString());
  }
  Story& get(const std::string& name = "a") {
    v1::GetLeaseRequest request;
    request.set_name(name);
    return add(Step::kGetLease, request.SerializeAsString());
  }
  Story& list(const std::string& prefix, const std::string& after = "", std::uint32_t limit = 0) {
    v1::ListLeasesRequest request;
    request.set_prefix(prefix);
    request.set_after(after);
    request.set_limit(limit);
    return add(Step::kListLeases, request.SerializeAsString());
  }
  Story& validate(std::uint64_t token, const std::string& name = "a") {
    v1::ValidateTokenRequest request;
    request.set_name(name);
    request.set_token(token);
    return add(Step::kValidateToken, request.SerializeAsString());
  }
  Story& break_it(const std::string& name = "a", bool stopped = true) {
    v1::BreakLeaseRequest request;
    request.set_name(name);
    request.set_holder_is_stopped(stopped);
    return add(Step::kBreakLease, request.SerializeAsString());
  }
  Story& watch(const std::string& prefix) {
    v1::WatchLeasesRequest request;
    request.set_prefix(prefix);
    return add(Step::kWatchLeases, request.SerializeAsString());
  }
  Story& pass(std::size_t halves) { return add(Step::kPass, std::string(halves, '.')); }
  Story& put(const std::string& text) { return add(Step::kPut, text); }
  [[nodiscard]] const Input& input() const { return input_; }

 private:
  Input input_;
};

std::uint64_t token(std::uint64_t revision) { return std::uint64_t{1} << 48 | revision; }

}  // namespace

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> all;
  const auto held = [] { return Story().open(kOne).acquire(kOne); };
  // The identity is revision 1, the session 2, the grant 3.
  all["held_and_released"] =
      held().renew(kOne).get().validate(token(3)).release(kOne, "a", token(3)).get().close(kOne).input();
  all["held_by_another"] = held().open(kTwo).acquire(kTwo).release(kTwo).validate(token(2)).validate(token(99)).input();
  all["waits_until_released"] =
      held().open(kTwo).acquire(kTwo, "a", time::seconds(30)).get().release(kOne, "a", token(3)).get().input();
  all["withdrawn_from_the_queue"] = held().open(kTwo).acquire(kTwo, "a", time::seconds(30)).release(kTwo).input();
  all["waits_until_expired"] =
      held().open(kTwo, time::seconds(60)).acquire(kTwo, "a", time::seconds(30)).pass(40).get().input();
  all["expiring_and_expired"] = Story()
                                    .open(kOne)
                                    .acquire(kOne, "a", {}, time::seconds(5))
                                    .pass(20)
                                    .get()
                                    .pass(30)
                                    .get()
                                    .validate(token(3))
                                    .input();
  all["session_over"] = held().pass(50).renew(kOne).acquire(kOne).input();
  all["broken"] = held().break_it("a", false).break_it().get().input();
  all["listed"] =
      held().acquire(kOne, "b", {}, {}, "\x01\xff").acquire(kOne, "c/d").list("").list("", "a", 1).watch("").input();
  all["no_session"] = Story().renew(kOne).acquire(kOne).close(kOne).release(kOne).input();
  all["session_of_15_bytes"] = Story().open(std::string(15, 'A')).input();
  all["foreign_session"] = Story().open(kOne).renew(kOne, time::seconds(10), kByOther).input();
  all["bad_ttl"] = Story().open(kOne, time::milliseconds(1)).open(kOne, {-1}).open(kOne, {INT64_MAX}).input();
  all["bad_label"] =
      Story().open(kOne, time::seconds(10), "two\nlines").open(kOne, time::seconds(10), std::string(129, 'x')).input();
  all["bad_name"] =
      Story().open(kOne).acquire(kOne, "").acquire(kOne, "a b").acquire(kOne, std::string(201, 'x')).get("#").input();
  all["bad_metadata"] = Story().open(kOne).acquire(kOne, "a", {}, {}, std::string(1025, 'x')).input();
  all["bad_lock_delay"] =
      Story().open(kOne).acquire(kOne, "a", {}, time::seconds(61)).acquire(kOne, "a", {}, {INT64_MIN}).input();
  all["text_that_is_no_utf8"] =
      Story().add(Step::kGetLease, "\n\x02\xc3\x28").add(Step::kOpenSession, "\x0a\xff").input();
  all["stored_lease_damaged"] = held().put("lease/h/a lease 1 nonce=").get().acquire(kOne).break_it().input();
  all["stored_lease_of_nobody"] =
      Story()
          .put("lease/h/a lease 1 nonce=" + kNonce + " session=" + kOneHex + " epoch=1 lock_delay=0 metadata=-")
          .get()
          .acquire(kOne)
          .input();
  all["stored_session_of_a_mad_clock"] =
      held()
          .open(kTwo)
          .put("client/" + kOneHex + " client 1 nonce=" + kNonce +
               " state=open boot=00000000000000000000000000000000 expiry=9000000000000000000 ttl=10000000000 "
               "principal=local label=mad")
          .get()
          .acquire(kTwo)
          .break_it()
          .input();
  all["stored_session_damaged"] = held().put("client/" + kOneHex + " client 9").renew(kOne).get().open(kOne).input();
  all["stored_waiter_damaged"] = held()
                                     .open(kTwo)
                                     .put("lease/q/a#" + kOneHex + " waiter 1")
                                     .acquire(kTwo, "a", time::seconds(2))
                                     .get()
                                     .pass(8)
                                     .input();
  all["stored_under_strange_keys"] =
      held().put("lease/h/ x").put("lease/q/a#xyz x").put("client/0 x").put("lease/h/a#b x").list("").get().input();
  return all;
}

}  // namespace gnomon::fuzz
