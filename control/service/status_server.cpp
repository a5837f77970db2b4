// SPDX-License-Identifier: Apache-2.0
#include "control/service/status_server.hpp"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "control/service/status_codec.hpp"
#include "gnomon/v1/status.grpc.pb.h"
#include "platform/system_error.hpp"

namespace gnomon::control {
namespace {

constexpr auto kGoodbye = std::chrono::seconds(1);

class Service final : public v1::StatusService::Service {
 public:
  explicit Service(StatusServer::Report report) : report_(std::move(report)) {}

  grpc::Status GetStatus(grpc::ServerContext* /*context*/,
                         const v1::GetStatusRequest* /*request*/,  // NOLINT(readability-identifier-naming): gRPC's name
                         v1::GetStatusResponse* response) override {
    *response = to_message(report_());
    return grpc::Status::OK;
  }

 private:
  StatusServer::Report report_;
};

class GrpcStatusServer final : public StatusServer {
 public:
  GrpcStatusServer(std::string path, Report report) : path_(std::move(path)), service_(std::move(report)) {}
  ~GrpcStatusServer() override {
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + kGoodbye);
    ::unlink(path_.c_str());
  }

  /// Between the bind and the chmod the socket has the umask's mode: so the umask denies everybody else meanwhile.
  [[nodiscard]] bool listen() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
    builder.RegisterService(&service_);
    const mode_t before = ::umask(0177);
    server_ = builder.BuildAndStart();
    ::umask(before);
    return server_ != nullptr;
  }

 private:
  std::string path_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

tl::expected<std::unique_ptr<StatusServer>, std::string> StatusServer::start(const std::string& socket_path,
                                                                             mode_t mode, Report report) {
  if (socket_path.size() >= sizeof(sockaddr_un::sun_path))
    return tl::make_unexpected(
        "the path of the status socket is longer than the " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
        " characters that the system allows: " + socket_path + "; set control.socket to a shorter one");
  auto server = std::make_unique<GrpcStatusServer>(socket_path, std::move(report));
  if (!server->listen())
    return tl::make_unexpected("cannot listen on the status socket " + socket_path +
                               "; check that its directory exists and can be written");
  if (::chmod(socket_path.c_str(), mode) != 0)
    return tl::make_unexpected(platform::system_error("set the mode of " + socket_path).text);
  return server;
}

}  // namespace gnomon::control
