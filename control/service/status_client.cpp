// SPDX-License-Identifier: Apache-2.0
#include "control/service/status_client.hpp"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <cerrno>

#include "control/service/status_codec.hpp"
#include "gnomon/v1/status.grpc.pb.h"
#include "platform/system_error.hpp"

namespace gnomon::control {
namespace {

std::string not_found(const std::string& socket_path, int code) {
  if (code != ENOENT && code != ENOTDIR)
    return platform::system_error("reach the status socket " + socket_path, code).text;
  return "there is no status socket " + socket_path +
         ": is gnomond running on this host, under that instance name? --instance says which daemon, --socket where";
}

}  // namespace

tl::expected<StatusReport, StatusFetchError> fetch_status(const std::string& socket_path,
                                                          std::chrono::milliseconds limit) {
  struct stat info{};
  if (::stat(socket_path.c_str(), &info) != 0)
    return tl::make_unexpected(StatusFetchError{true, not_found(socket_path, errno)});
  const auto channel = grpc::CreateChannel("unix:" + socket_path, grpc::InsecureChannelCredentials());
  const auto stub = v1::StatusService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + limit);
  v1::GetStatusResponse response;
  const grpc::Status status = stub->GetStatus(&context, v1::GetStatusRequest(), &response);
  if (status.ok()) return from_message(response);
  const bool unreachable = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                           status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  return tl::make_unexpected(StatusFetchError{
      unreachable, (unreachable ? "no answer from gnomond on " : "gnomond refused to tell its status on ") +
                       socket_path + ": " + status.error_message()});
}

}  // namespace gnomon::control
