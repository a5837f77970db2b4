// SPDX-License-Identifier: Apache-2.0
#include "control/service/status_client.hpp"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "control/grpc_log.hpp"
#include "control/service/status_codec.hpp"
#include "control/service/store_codec.hpp"
#include "gnomon/v1/status.grpc.pb.h"
#include "platform/system_error.hpp"

namespace gnomon::control {
namespace {

using Stub = v1::StatusService::Stub;

std::string not_found(const std::string& socket_path, int code) {
  if (code != ENOENT && code != ENOTDIR)
    return platform::system_error("reach the status socket " + socket_path, code).text;
  return "there is no status socket " + socket_path +
         ": is gnomond running on this host, under that instance name? --instance says which daemon, --socket where";
}

tl::expected<std::unique_ptr<Stub>, StatusFetchError> connect(const std::string& socket_path) {
  struct stat info{};
  if (::stat(socket_path.c_str(), &info) != 0)
    return tl::make_unexpected(StatusFetchError{true, not_found(socket_path, errno)});
  keep_grpc_quiet();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kLargestListing);
  return v1::StatusService::NewStub(
      grpc::CreateCustomChannel("unix:" + socket_path, grpc::InsecureChannelCredentials(), arguments));
}

void set_deadline(grpc::ClientContext& context, std::chrono::milliseconds limit) {
  context.set_deadline(std::chrono::system_clock::now() + limit);
}

bool no_answer(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
}

StatusFetchError silent(const std::string& socket_path, const grpc::Status& status) {
  return {true, "no answer from gnomond on " + socket_path + ": " + status.error_message()};
}

// ABORTED and the others are what status_server.cpp makes of the store's errors; their texts are sentences.
StatusFetchError store_error(const std::string& socket_path, const grpc::Status& status) {
  if (no_answer(status)) return silent(socket_path, status);
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED)
    return {false, "the gnomond on " + socket_path +
                       " does not tell what its store holds: it is older than this gnomon; restart it with the same "
                       "version"};
  const bool unreachable = status.error_code() == grpc::StatusCode::ABORTED;
  return {unreachable, "gnomond on " + socket_path + (unreachable ? " can't read its store: " : " refused: ") +
                           status.error_message()};
}

}  // namespace

tl::expected<StatusReport, StatusFetchError> fetch_status(const std::string& socket_path,
                                                          std::chrono::milliseconds limit) {
  const auto stub = connect(socket_path);
  if (!stub) return tl::make_unexpected(stub.error());
  grpc::ClientContext context;
  set_deadline(context, limit);
  v1::GetStatusResponse response;
  const grpc::Status status = (*stub)->GetStatus(&context, v1::GetStatusRequest(), &response);
  if (status.ok()) return from_message(response);
  if (no_answer(status)) return tl::make_unexpected(silent(socket_path, status));
  return tl::make_unexpected(
      StatusFetchError{false, "gnomond refused to tell its status on " + socket_path + ": " + status.error_message()});
}

tl::expected<Listing, StatusFetchError> fetch_listing(const std::string& socket_path, std::string_view prefix,
                                                      std::chrono::milliseconds limit) {
  const auto stub = connect(socket_path);
  if (!stub) return tl::make_unexpected(stub.error());
  grpc::ClientContext context;
  set_deadline(context, limit);
  v1::ReadStoreRequest request;
  request.set_prefix(std::string(prefix));
  v1::ReadStoreResponse response;
  const grpc::Status status = (*stub)->ReadStore(&context, request, &response);
  if (!status.ok()) return tl::make_unexpected(store_error(socket_path, status));
  return from_message(response);
}

}  // namespace gnomon::control
