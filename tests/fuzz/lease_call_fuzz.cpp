// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as the messages of the lease service, from the protobuf to the desk's answer and back
// to the protobuf; and, between them, any text as what the store holds. Demanded:
//
//   - what can't be a command is refused with a sentence; every command gets exactly one answer;
//   - the answer can be written, and read back as it was: a text that is no UTF-8 would be lost on its way;
//   - a refusal has a reason of the enumeration and a sentence; what is granted is what was asked;
//   - the tokens of one name only grow, and validating the present one says "current";
//   - a list is ascending, within its limit and its prefix;
//   - in the end a good client is served, whatever came before.
//
// Input: steps. Each is a byte that says what (Step), two of a length, and so many bytes.
#include <algorithm>
#include <array>
#include <string>

#include "control/protobuf_log.hpp"
#include "control/service/lease_codec.hpp"
#include "oracle/lease/named_lease.hpp"
#include "tests/fuzz/cursor.hpp"
#include "tests/fuzz/desk_story.hpp"
#include "tests/fuzz/lease_call_input.hpp"

namespace gnomon::fuzz {
namespace {

using namespace control;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kMostSteps = 32;
constexpr std::size_t kWatchPage = 3;
constexpr std::string_view kLastName = "asked-for-in-the-end";

std::string_view name_of(v1::RefusalReason reason) { return v1::RefusalReason_Name(reason); }

class Run {
 public:
  void step(Cursor& in) {
    const std::uint8_t what = in.byte();
    const std::size_t low = in.byte();
    const auto bytes = in.bytes(low | std::size_t{in.byte()} << 8);
    const std::string text(bytes.begin(), bytes.end());
    principal_ = (what & 0x80U) != 0 ? "CN=other" : "local";
    switch (static_cast<Step>(what & 0x7fU)) {
      case Step::kOpenSession: return call<v1::OpenSessionRequest, v1::SessionResponse>(text);
      case Step::kRenewSession: return call<v1::RenewSessionRequest, v1::SessionResponse>(text);
      case Step::kCloseSession: return call<v1::CloseSessionRequest, v1::CloseSessionResponse>(text);
      case Step::kAcquire: return call<v1::AcquireRequest, v1::AcquireResponse>(text);
      case Step::kRelease: return call<v1::ReleaseRequest, v1::ReleaseResponse>(text);
      case Step::kGetLease: return call<v1::GetLeaseRequest, v1::GetLeaseResponse>(text);
      case Step::kListLeases: return call<v1::ListLeasesRequest, v1::ListLeasesResponse>(text);
      case Step::kValidateToken: return call<v1::ValidateTokenRequest, v1::ValidateTokenResponse>(text);
      case Step::kBreakLease: return call<v1::BreakLeaseRequest, v1::BreakLeaseResponse>(text);
      case Step::kWatchLeases: return watch(text);
      case Step::kPass:
        return story_.pass(
            time::milliseconds(static_cast<std::int64_t>(std::min<std::size_t>(text.size(), 200)) * 500));
      case Step::kPut: return put(text);
    }
  }

  void finish() {
    story_.finish();
    story_.pass(time::seconds(700));  // the longest session and the longest lock-delay
    principal_ = "local";
    v1::OpenSessionRequest open;
    open.set_session(std::string(16, '\x77'));
    open.set_ttl_ns(time::seconds(10).ns);
    demand(served<v1::SessionResponse>(open).has_open(), "a good client can't open a session after this");
    v1::AcquireRequest acquire;
    acquire.set_session(open.session());
    acquire.set_name(std::string(kLastName));
    const auto held = served<v1::AcquireResponse>(acquire);
    demand(held.has_held() && held.held().token() != 0, "a good client can't acquire after this");
    v1::ValidateTokenRequest validate;
    validate.set_name(acquire.name());
    validate.set_token(held.held().token());
    demand(served<v1::ValidateTokenResponse>(validate).standing() == v1::TOKEN_CURRENT, "its token is not current");
    v1::ReleaseRequest release;
    release.set_session(open.session());
    release.set_name(acquire.name());
    demand(served<v1::ReleaseResponse>(release).has_refused(), "what gives up a place gives up a grant");
    release.set_token(held.held().token());
    demand(served<v1::ReleaseResponse>(release).has_released(), "a good client can't release after this");
  }

 private:
  /// A message as a good client sends it; its answer must be one.
  template <typename Response, typename Request>
  Response served(const Request& request) {
    Response response;
    const auto command = read(request);
    demand(command.has_value(), "a good client is refused after this");
    demand(ask(*command, response), "a good client gets no answer after this");
    return response;
  }

  template <typename Request, typename Response>
  void call(const std::string& bytes) {
    Request request;
    if (!request.ParseFromString(bytes)) return note("no message");
    const auto command = read(request);
    if (!command) {
      demand(!command.error().empty(), "a message is refused without a sentence");
      return note("no command");
    }
    Response response;
    if (ask(*command, response)) check(request, response);
  }

  /// Whether an answer was written to `response`.
  template <typename Response>
  bool ask(Call command, Response& response) {
    command.principal = principal_;
    if (auto* const acquire = std::get_if<command::Acquire>(&command.command))
      acquire->wait_for = std::min(acquire->wait_for, time::seconds(60));
    command.deadline = story_.uptime() + time::seconds(70);
    const CallId id = story_.ask(std::move(command));
    const auto reply = story_.replies.find(id);
    if (reply == story_.replies.end()) {
      note("waits");
      return false;
    }
    const grpc::Status status = write(reply->second, response);
    demand(status.ok() || (status.error_code() != grpc::StatusCode::INTERNAL && !status.error_message().empty()),
           "the daemon has no words for its answer");
    Response again;
    demand(again.ParseFromString(response.SerializeAsString()) &&
               again.SerializeAsString() == response.SerializeAsString(),
           "an answer can't be read by the client");
    if (!status.ok()) note("no answer");
    return status.ok();
  }

  /// True if it is a refusal, which is checked.
  template <typename Response>
  static bool is_refused(const Response& response) {
    if (!response.has_refused()) return false;
    const v1::Refused& refused = response.refused();
    demand(v1::RefusalReason_IsValid(refused.reason()) && refused.reason() != v1::REFUSAL_REASON_UNSPECIFIED,
           "refused for a reason that is none");
    demand(!refused.text().empty() && refused.retry_after_ns() >= 0, "refused without a sentence");
    note(name_of(refused.reason()));
    return true;
  }

  static void check(const v1::OpenSessionRequest& request, const v1::SessionResponse& response) {
    if (is_refused(response)) return;
    demand(response.has_open() && response.open().ttl_ns() >= request.ttl_ns(), "a shorter session than was asked for");
    note("opened");
  }
  static void check(const v1::RenewSessionRequest& request, const v1::SessionResponse& response) {
    if (is_refused(response)) return;
    demand(response.has_open() && response.open().ttl_ns() >= request.ttl_ns(), "a shorter session than was asked for");
    note("renewed");
  }
  static void check(const v1::CloseSessionRequest& /*request*/, const v1::CloseSessionResponse& response) {
    if (!is_refused(response)) note("closed");
  }
  void check(const v1::AcquireRequest& request, const v1::AcquireResponse& response) {
    if (is_refused(response)) return;
    if (response.has_waiting()) return note("waiting");
    demand(response.has_held(), "neither held nor waiting nor refused");
    std::uint64_t& token = tokens_[request.name()];
    const bool anew = response.held().anew();
    demand(anew ? response.held().token() > token : response.held().token() >= token, "the tokens of a name go back");
    token = response.held().token();
    demand(lease::is_name(request.name()) && request.metadata().size() <= lease::kMaxMetadata, "held out of bounds");
    note("held");
  }
  static void check(const v1::ReleaseRequest& /*request*/, const v1::ReleaseResponse& response) {
    if (!is_refused(response)) note(response.released().withdrawn() ? "withdrawn" : "released");
  }
  static void check(const v1::GetLeaseRequest& request, const v1::GetLeaseResponse& response) {
    if (is_refused(response)) return;
    demand(response.has_lease() && response.lease().name() == request.name(), "another lease than was asked for");
    check_view(response.lease());
    note(v1::LeaseState_Name(response.lease().state()));
  }
  static void check(const v1::ListLeasesRequest& request, const v1::ListLeasesResponse& response) {
    if (is_refused(response)) return;
    const auto& leases = response.leases();
    demand(leases.size() <= 50 &&
               (request.limit() == 0 || leases.size() <= static_cast<int>(std::min(request.limit(), 50U))),
           "more leases than were asked for");
    std::string before = request.after();
    for (const v1::Lease& lease : leases) {
      demand(lease.name().starts_with(request.prefix()) && (lease.name() > before || before.empty()),
             "a list out of its prefix or its order");
      before = lease.name();
      check_view(lease);
    }
    note("listed");
  }
  static void check(const v1::ValidateTokenRequest& /*request*/, const v1::ValidateTokenResponse& response) {
    if (is_refused(response)) return;
    demand(v1::TokenStanding_IsValid(response.standing()) && response.standing() != v1::TOKEN_STANDING_UNSPECIFIED,
           "a token that stands nowhere");
    demand(response.standing() != v1::TOKEN_CURRENT || response.remaining_ns() > 0, "current, for no time");
    note(v1::TokenStanding_Name(response.standing()));
  }
  static void check(const v1::BreakLeaseRequest& /*request*/, const v1::BreakLeaseResponse& response) {
    if (!is_refused(response)) note("broken");
  }

  static void check_view(const v1::Lease& lease) {
    demand(v1::LeaseState_IsValid(lease.state()) && lease.state() != v1::LEASE_STATE_UNSPECIFIED, "no state");
    demand(lease::is_name(lease.name()) && lease.remaining_ns() >= 0 && lease.free_in_ns() >= 0,
           "a lease out of bounds");
    demand(lease.state() != v1::LEASE_HELD || (lease.token() != 0 && lease.session().size() == 16), "held by nobody");
  }

  void watch(const std::string& bytes) {
    v1::WatchLeasesRequest request;
    if (!request.ParseFromString(bytes)) return note("no message");
    const auto prefix = read(request);
    if (!prefix) return note("no command");
    std::string after;
    for (bool more = true; more;) {
      const Listed page = story_.desk().remembered(*prefix, after, kWatchPage, story_.time());
      demand(page.leases.size() <= kWatchPage && (!page.more || !page.leases.empty()), "a page of another size");
      for (const lease::LeaseView& view : page.leases) {
        v1::Lease lease;
        write(view, lease);
        demand(lease.name().starts_with(*prefix), "a watch tells of others");
        demand(lease.name() > after, "a watch tells the same twice, or in another order");
        check_view(lease);
        after = lease.name();
      }
      more = page.more;
    }
    note("watched");
  }

  /// "KEY VALUE". What a damaged store may hold, but not what an honest one would: the tokens of before may come back.
  void put(const std::string& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string key = text.substr(0, end);
    if (key == lease::kStoreKey || key.find(kLastName) != std::string::npos || key.find("#7777") != std::string::npos)
      return;
    if (key == lease::client_key(lease::session_of_hex(std::string(32, '7')).value())) return;
    if (const auto name = lease::name_of_lease_key(key)) tokens_.erase(std::string(*name));
    story_.put(key, text.substr(std::min(end + 1, text.size())));
    note("put");
  }

  DeskStory story_;
  std::string principal_ = "local";
  std::map<std::string, std::uint64_t> tokens_;
};

}  // namespace

Plan plan() {
  return {.longest = kMaxLeaseCallInput,
          .outcomes = {"no message",    "no command",       "waits",          "opened",
                       "renewed",       "closed",           "held",           "released",
                       "withdrawn",     "listed",           "watched",        "broken",
                       "put",           "NO_SESSION",       "SESSION_OVER",   "FOREIGN_SESSION",
                       "HELD",          "NOT_HELD",         "QUARANTINED",    "BAD_NAME",
                       "BAD_TTL",       "BAD_METADATA",     "BAD_LOCK_DELAY", "BAD_LABEL",
                       "UNREADABLE",    "LEASE_FREE",       "LEASE_HELD",     "LEASE_EXPIRING",
                       "LEASE_EXPIRED", "LEASE_UNREADABLE", "TOKEN_CURRENT",  "TOKEN_STALE",
                       "TOKEN_UNKNOWN"},
          .changed_inputs = 8000};
}

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  gnomon::control::keep_protobuf_quiet();
  if (size > kMaxLeaseCallInput) return -1;
  Cursor in({data, size});
  Run run;
  for (std::size_t steps = 0; steps < kMostSteps && !in.empty(); ++steps)
    run.step(in);
  run.finish();
  return 0;
}
