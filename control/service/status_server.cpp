// SPDX-License-Identifier: Apache-2.0
#include "control/service/status_server.hpp"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "control/grpc_log.hpp"
#include "control/service/status_codec.hpp"
#include "control/service/store_codec.hpp"
#include "gnomon/v1/status.grpc.pb.h"
#include "platform/system_error.hpp"

namespace gnomon::control {
namespace {

constexpr auto kGoodbye = std::chrono::seconds(1);

// The codes that status_client.cpp tells apart again: ABORTED is a store that does not answer at the moment. It is not
// UNAVAILABLE, which gRPC itself uses for a daemon that is not there.
grpc::Status refusal_of(const StoreError& error) {
  const bool fatal = error.kind == StoreErrorKind::kFatal;
  return {fatal ? grpc::StatusCode::DATA_LOSS : grpc::StatusCode::ABORTED, error.text};
}

class Service final : public v1::StatusService::Service {
 public:
  Service(StatusServer::Report report, StatusServer::ReadStore read_store)
      : report_(std::move(report)), read_store_(std::move(read_store)) {}

  grpc::Status GetStatus(grpc::ServerContext* /*context*/,
                         const v1::GetStatusRequest* /*request*/,  // NOLINT(readability-identifier-naming): gRPC's name
                         v1::GetStatusResponse* response) override {
    *response = to_message(report_());
    return grpc::Status::OK;
  }

  grpc::Status ReadStore(grpc::ServerContext* /*context*/,
                         const v1::ReadStoreRequest* request,  // NOLINT(readability-identifier-naming): gRPC's name
                         v1::ReadStoreResponse* response) override {
    if (!read_store_) return {grpc::StatusCode::FAILED_PRECONDITION, "this daemon does not tell what its store holds"};
    if (!is_served_prefix(request->prefix()))
      return {grpc::StatusCode::PERMISSION_DENIED,
              "'" + request->prefix() + "' is not told: ask for right/, session/, history/ or meta/"};
    const auto listing = read_store_(request->prefix());
    if (!listing) return refusal_of(listing.error());
    *response = to_message(*listing);
    if (response->ByteSizeLong() <= std::size_t{kLargestListing}) return grpc::Status::OK;
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            std::to_string(listing->entries.size()) + " entries under '" + request->prefix() + "' are more than the " +
                std::to_string(kLargestListing >> 20) + " MB of one answer; of a store in etcd, --direct reads them"};
  }

 private:
  StatusServer::Report report_;
  StatusServer::ReadStore read_store_;
};

class GrpcStatusServer final : public StatusServer {
 public:
  GrpcStatusServer(std::string path, Report report, ReadStore read_store, std::vector<ServerGuest*> guests)
      : path_(std::move(path)), service_(std::move(report), std::move(read_store)), guests_(std::move(guests)) {}
  ~GrpcStatusServer() override {
    if (server_) {
      for (ServerGuest* const guest : guests_)
        guest->leave(*server_);
      server_->Shutdown(std::chrono::system_clock::now() + kGoodbye);
    }
    ::unlink(path_.c_str());
  }

  /// Between the bind and the chmod the socket has the umask's mode: so the umask denies everybody else meanwhile.
  [[nodiscard]] bool listen() {
    keep_grpc_quiet();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
    builder.SetMaxSendMessageSize(kLargestListing);
    builder.RegisterService(&service_);
    for (ServerGuest* const guest : guests_)
      guest->enter(builder);
    const mode_t before = ::umask(0177);
    server_ = builder.BuildAndStart();
    ::umask(before);
    if (!server_) return false;
    for (ServerGuest* const guest : guests_)
      guest->settle(*server_);
    return true;
  }

 private:
  std::string path_;
  Service service_;
  std::vector<ServerGuest*> guests_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

tl::expected<std::unique_ptr<StatusServer>, std::string> StatusServer::start(const std::string& socket_path,
                                                                             mode_t mode, Report report,
                                                                             ReadStore read_store,
                                                                             std::vector<ServerGuest*> guests) {
  if (socket_path.size() >= sizeof(sockaddr_un::sun_path))
    return tl::make_unexpected(
        "the path of the status socket is longer than the " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
        " characters that the system allows: " + socket_path + "; set control.socket to a shorter one");
  auto server =
      std::make_unique<GrpcStatusServer>(socket_path, std::move(report), std::move(read_store), std::move(guests));
  if (!server->listen())
    return tl::make_unexpected("cannot listen on the status socket " + socket_path +
                               "; check that its directory exists and can be written");
  if (::chmod(socket_path.c_str(), mode) != 0)
    return tl::make_unexpected(platform::system_error("set the mode of " + socket_path).text);
  return server;
}

}  // namespace gnomon::control
