// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_server.hpp"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "control/grpc_log.hpp"
#include "gnomon/v1/lease.grpc.pb.h"
#include "platform/durable_file.hpp"
#include "platform/endpoint.hpp"
#include "platform/random.hpp"
#include "platform/system_error.hpp"

namespace gnomon::control {
namespace {

constexpr std::size_t kMaxPemBytes = 1024 * 1024;
constexpr mode_t kOthers = 0077;

using Credentials = std::shared_ptr<grpc::ServerCredentials>;

tl::expected<std::string, std::string> read_pem(const std::string& path, const char* what) {
  if (path.empty()) return tl::make_unexpected(std::string("the lease port needs ") + what + ": name its PEM file");
  auto content = platform::read_file(path, kMaxPemBytes);
  if (!content) return tl::make_unexpected(content.error().text);
  const std::optional<std::string>& pem = *content;
  if (!pem) return tl::make_unexpected(std::string("there is no file ") + path + " (" + what + ")");
  if (pem->find("-----BEGIN ") == std::string::npos)
    return tl::make_unexpected(path + " (" + what + ") is no PEM file: it has no line that starts with -----BEGIN");
  return *pem;
}

tl::expected<void, std::string> check_private(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return tl::make_unexpected(platform::system_error("read " + path).text);
  if ((found.st_mode & kOthers) != 0)
    return tl::make_unexpected(path + " (the key of the lease port) can be read by others than its owner: chmod 600 " +
                               path);
  return {};
}

/// Whether gRPC can make anything of the three. It says so only of credentials that don't change, and only when a
/// server is built; so one is, where nobody finds it, for a moment.
bool is_usable(const std::string& ca, const std::string& certificate, const std::string& key) {
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = ca;
  options.pem_key_cert_pairs.push_back({key, certificate});
  v1::LeaseService::CallbackService nobody;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix-abstract:gnomon-" + std::to_string(platform::random_u64()),
                           grpc::SslServerCredentials(options));
  builder.RegisterService(&nobody);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return false;
  server->Shutdown();
  return true;
}

tl::expected<Credentials, std::string> credentials(const LeaseServerTls& tls, time::Duration check) {
  const auto ca = read_pem(tls.ca_file, "the certificate of the authority");
  if (!ca) return tl::make_unexpected(ca.error());
  const auto certificate = read_pem(tls.cert_file, "its own certificate");
  if (!certificate) return tl::make_unexpected(certificate.error());
  if (const auto checked = check_private(tls.key_file); !tls.key_file.empty() && !checked)
    return tl::make_unexpected(checked.error());
  const auto key = read_pem(tls.key_file, "the key of its certificate");
  if (!key) return tl::make_unexpected(key.error());
  if (!is_usable(*ca, *certificate, *key))
    return tl::make_unexpected("the lease port can't use its certificates: the key in " + tls.key_file +
                               " is not that of " + tls.cert_file + ", or one of these and " + tls.ca_file +
                               " is damaged; `openssl x509 -noout -pubkey -in CERTIFICATE` and `openssl pkey -pubout "
                               "-in KEY` must print the same");
  const auto seconds = std::clamp<std::int64_t>(check.ns / 1'000'000'000, 1, 3'600);
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(tls.key_file, tls.cert_file, tls.ca_file,
                                                                           static_cast<unsigned int>(seconds)));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

bool is_loopback(const serve::Address& address) {
  return address == platform::parse_address("::1") || (address.is_v4() && address.bytes[12] == 127);
}

class GrpcLeaseServer final : public LeaseServer {
 public:
  GrpcLeaseServer(ServerGuest& guest, time::Duration goodbye) : guest_(guest), goodbye_(goodbye) {}
  ~GrpcLeaseServer() override {
    if (!server_) return;
    if (is_settled_) guest_.leave(*server_);
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::nanoseconds(goodbye_.ns));
  }

  /// One server on all of them, so that a client has one share of it, whichever way it comes in.
  [[nodiscard]] bool listen(const std::vector<platform::Endpoint>& endpoints, const Credentials& credentials) {
    std::vector<int> ports(endpoints.size());
    grpc::ServerBuilder builder;
    guest_.enter(builder);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a port that is taken is an error
    for (std::size_t i = 0; i < endpoints.size(); ++i)
      builder.AddListeningPort(platform::to_string(endpoints[i]), credentials, &ports[i]);
    server_ = builder.BuildAndStart();
    if (!server_ || std::find(ports.begin(), ports.end(), 0) != ports.end()) return false;
    for (std::size_t i = 0; i < endpoints.size(); ++i)
      listens_on_.push_back(
          platform::to_string(platform::Endpoint{endpoints[i].address, static_cast<std::uint16_t>(ports[i])}));
    port_ = static_cast<std::uint16_t>(ports.front());
    is_settled_ = true;
    guest_.settle(*server_);
    return true;
  }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] const std::vector<std::string>& listens_on() const override { return listens_on_; }

 private:
  ServerGuest& guest_;
  const time::Duration goodbye_;
  std::uint16_t port_ = 0;
  std::vector<std::string> listens_on_;
  bool is_settled_ = false;
  std::unique_ptr<grpc::Server> server_;
};

using Started = tl::expected<std::unique_ptr<LeaseServer>, std::string>;

tl::expected<std::vector<platform::Endpoint>, std::string> parsed(const std::vector<std::string>& listen) {
  if (listen.empty()) return tl::make_unexpected(std::string("the lease port needs an address to listen on"));
  std::vector<platform::Endpoint> endpoints;
  for (const std::string& text : listen) {
    const auto endpoint = platform::parse_endpoint(text);
    if (!endpoint) return tl::make_unexpected(endpoint.error().text);
    endpoints.push_back(*endpoint);
  }
  return endpoints;
}

Started started(const std::vector<platform::Endpoint>& endpoints, const Credentials& credentials, LeaseService& service,
                LeaseDoor door) {
  auto server = std::make_unique<GrpcLeaseServer>(service.guest(door), service.options().server.goodbye);
  if (server->listen(endpoints, credentials)) return server;
  std::string all;
  for (const platform::Endpoint& endpoint : endpoints)
    all += (all.empty() ? "" : " and ") + platform::to_string(endpoint);
  const bool several = endpoints.size() > 1;
  return tl::make_unexpected("cannot listen for lease clients on " + all + "; check that " +
                             (several ? "each address" : "the address") +
                             " is one of this host and that nobody else has the port");
}

}  // namespace

Started LeaseServer::start(const std::vector<std::string>& listen, const LeaseServerTls& tls, LeaseService& service) {
  const auto endpoints = parsed(listen);
  if (!endpoints) return tl::make_unexpected(endpoints.error());
  keep_grpc_quiet();  // of every handshake that fails it would write a line, as often as a stranger likes
  auto made = credentials(tls, service.options().certificate_check);
  if (!made) return tl::make_unexpected(std::move(made.error()));
  return started(*endpoints, *made, service, LeaseDoor::kMutualTls);
}

Started LeaseServer::start_insecure_for_tests(const std::vector<std::string>& listen, LeaseService& service) {
  const auto endpoints = parsed(listen);
  if (!endpoints) return tl::make_unexpected(endpoints.error());
  for (const platform::Endpoint& endpoint : *endpoints)
    if (!is_loopback(endpoint.address))
      return tl::make_unexpected("leases are served without TLS on loopback addresses only, not on " +
                                 platform::to_string(endpoint));
  return started(*endpoints, grpc::InsecureServerCredentials(), service, LeaseDoor::kInsecure);
}

}  // namespace gnomon::control
