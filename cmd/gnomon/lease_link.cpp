// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_link.hpp"

#include <fmt/core.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "control/grpc_log.hpp"
#include "gnomon/v1/lease.grpc.pb.h"

namespace gnomon::cmd {
namespace {

using Stub = v1::LeaseService::Stub;
constexpr std::size_t kSessionDigits = 32;
constexpr auto kSettlingIn = std::chrono::milliseconds(500);  // of a waiting call's answer, beyond its wait

std::string bytes_of(const lease::SessionId& session) { return {session.begin(), session.end()}; }

tl::expected<std::string, std::string> slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file || text.empty()) return tl::make_unexpected(fmt::format("cannot read {}: is it a PEM file?", path));
  return text;
}

ExitCode code_of(v1::RefusalReason reason) {
  switch (reason) {
    case v1::BAD_NAME:
    case v1::BAD_TTL:
    case v1::BAD_METADATA:
    case v1::BAD_LOCK_DELAY:
    case v1::BAD_LABEL: return ExitCode::kUsage;
    case v1::CLOCK_UNSYNCHRONISED:
    case v1::NOT_A_MEMBER: return ExitCode::kUnsynchronised;
    default: return ExitCode::kRefused;
  }
}

ExitCode code_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT: return ExitCode::kUsage;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED: return ExitCode::kUnreachable;
    default: return ExitCode::kRefused;
  }
}

std::string text_of(const grpc::Status& status, const std::string& server) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return fmt::format("no gnomond serves leases at {} ({})", server, status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return fmt::format("{} did not answer in time, and what became of the request is not known; it may be sent again",
                         server);
    case grpc::StatusCode::UNIMPLEMENTED:
      return fmt::format("the gnomond at {} knows nothing of leases; is it of an older version?", server);
    default: return status.error_message();
  }
}

/// What the response refuses with, if it does.
template <typename Response>
const v1::Refused* refusal_in(const Response& response) {
  return response.has_refused() ? &response.refused() : nullptr;
}

}  // namespace

class LeaseLink::Impl {
 public:
  explicit Impl(time::Duration deadline) : deadline_(deadline) {}

  void add(const std::string& server, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
           const std::string& server_name) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    if (!server_name.empty() && !is_unix(server)) arguments.SetSslTargetNameOverride(server_name);
    servers_.push_back({server, v1::LeaseService::NewStub(grpc::CreateCustomChannel(server, credentials, arguments))});
  }

  /// Asks one server after the other. One that answers says more than one that can't be reached.
  template <typename Request, typename Response>
  LinkResult<Response> ask(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, time::Duration longer = {}) {
    const auto until = std::chrono::system_clock::now() + std::chrono::nanoseconds(deadline_.ns + longer.ns);
    LinkError error{ExitCode::kUnreachable, "no server is named"};
    for (const Server& server : servers_) {
      grpc::ClientContext context;
      context.set_deadline(until);
      Response response;
      const grpc::Status status = (server.stub.get()->*method)(&context, request, &response);
      if (!status.ok()) {
        LinkError failed{code_of(status.error_code()), text_of(status, server.name)};
        if (failed.code != ExitCode::kUnreachable) return tl::make_unexpected(std::move(failed));
        if (error.code == ExitCode::kUnreachable) error = std::move(failed);
      } else if (const v1::Refused* refused = refusal_in(response)) {
        error = {code_of(refused->reason()), refused->text()};
        if (error.code != ExitCode::kUnsynchronised) return tl::make_unexpected(error);
      } else {
        return response;
      }
    }
    return tl::make_unexpected(error);
  }

 private:
  struct Server {
    std::string name;
    std::unique_ptr<Stub> stub;
  };
  time::Duration deadline_;
  std::vector<Server> servers_;
};

LeaseLink::LeaseLink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LeaseLink::LeaseLink(LeaseLink&&) noexcept = default;
LeaseLink& LeaseLink::operator=(LeaseLink&&) noexcept = default;
LeaseLink::~LeaseLink() = default;

tl::expected<LeaseLink, std::string> LeaseLink::open(const LeasePlace& place) {
  control::keep_grpc_quiet();
  std::shared_ptr<grpc::ChannelCredentials> secure;
  if (place.tls) {
    grpc::SslCredentialsOptions options;
    for (const auto& [path, to] : {std::pair{&place.tls->ca_file, &options.pem_root_certs},
                                   std::pair{&place.tls->cert_file, &options.pem_cert_chain},
                                   std::pair{&place.tls->key_file, &options.pem_private_key}}) {
      auto text = slurp(*path);
      if (!text) return tl::make_unexpected(text.error());
      *to = std::move(*text);
    }
    secure = grpc::SslCredentials(options);
  }
  auto impl = std::make_unique<Impl>(place.deadline);
  for (const std::string& server : place.servers)
    impl->add(server, is_unix(server) ? grpc::InsecureChannelCredentials() : secure,
              place.tls ? place.tls->server_name : std::string());
  return LeaseLink(std::move(impl));
}

LinkResult<time::Duration> LeaseLink::open_session(const lease::SessionId& session, time::Duration ttl,
                                                   const std::string& label) {
  v1::OpenSessionRequest request;
  request.set_session(bytes_of(session));
  request.set_ttl_ns(ttl.ns);
  request.set_label(label);
  return impl_->ask(&Stub::OpenSession, request).map([](const v1::SessionResponse& response) {
    return time::Duration{response.open().ttl_ns()};
  });
}

LinkResult<time::Duration> LeaseLink::renew(const lease::SessionId& session, time::Duration ttl) {
  v1::RenewSessionRequest request;
  request.set_session(bytes_of(session));
  request.set_ttl_ns(ttl.ns);
  return impl_->ask(&Stub::RenewSession, request).map([](const v1::SessionResponse& response) {
    return time::Duration{response.open().ttl_ns()};
  });
}

LinkResult<void> LeaseLink::close(const lease::SessionId& session) {
  v1::CloseSessionRequest request;
  request.set_session(bytes_of(session));
  const auto response = impl_->ask(&Stub::CloseSession, request);
  if (!response) return tl::make_unexpected(response.error());
  return {};
}

LinkResult<LinkGrant> LeaseLink::acquire(const lease::SessionId& session, const LinkWish& wish) {
  v1::AcquireRequest request;
  request.set_session(bytes_of(session));
  request.set_name(wish.name);
  request.set_lock_delay_ns(wish.lock_delay.ns);
  request.set_metadata(wish.metadata);
  request.set_wait_ns(wish.wait.ns);
  const time::Duration longer =
      wish.wait.ns > 0 ? wish.wait + time::Duration{std::chrono::nanoseconds(kSettlingIn).count()} : time::Duration{};
  const auto response = impl_->ask(&Stub::Acquire, request, longer);
  if (!response) return tl::make_unexpected(response.error());
  if (response->has_waiting()) return LinkGrant{.waiting = true, .in_front = response->waiting().in_front()};
  const v1::Held& held = response->held();
  return LinkGrant{
      .token = held.token(), .anew = held.anew(), .taken_over = held.taken_over(), .queued = held.queued()};
}

LinkResult<bool> LeaseLink::release(const lease::SessionId& session, const std::string& name, std::uint64_t token) {
  v1::ReleaseRequest request;
  request.set_session(bytes_of(session));
  request.set_name(name);
  request.set_token(token);
  return impl_->ask(&Stub::Release, request).map([](const v1::ReleaseResponse& response) {
    return response.released().withdrawn();
  });
}

// The place first: then nothing that waits takes the name any more, and a look shows what there is to release.
LinkResult<bool> LeaseLink::give_up(const lease::SessionId& session, const std::string& name) {
  auto withdrawn = release(session, name, 0);
  if (withdrawn) return withdrawn;
  v1::GetLeaseRequest request;
  request.set_name(name);
  const auto seen = impl_->ask(&Stub::GetLease, request);
  if (!seen) return tl::make_unexpected(seen.error());
  if (seen->lease().session() != bytes_of(session)) return withdrawn;
  return release(session, name, seen->lease().token());
}

tl::expected<lease::SessionId, std::string> parse_session(std::string_view text) {
  const auto digit = [](char c) -> std::optional<unsigned> {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
  };
  lease::SessionId out{};
  bool good = text.size() == kSessionDigits;
  for (std::size_t i = 0; good && i < out.size(); ++i) {
    const auto high = digit(text[2 * i]);
    const auto low = digit(text[2 * i + 1]);
    good = high && low;
    if (good) out[i] = static_cast<std::uint8_t>(*high * 16 + *low);
  }
  if (good) return out;
  return tl::make_unexpected(fmt::format(
      "'{}' is no session: it is the {} hexadecimal digits that lease acquire printed", text, kSessionDigits));
}

std::string session_text(const lease::SessionId& session) {
  std::string out;
  for (const std::uint8_t byte : session)
    out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace gnomon::cmd
