// SPDX-License-Identifier: Apache-2.0
//
// The two ends of the status socket where the other one is not what it should be: no path to listen on, nobody there
// any more, an older daemon, or one that says no. An operator reads these sentences on a bad day.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <memory>
#include <string>

#include "control/service/status_client.hpp"
#include "control/service/status_server.hpp"
#include "gnomon/v1/status.grpc.pb.h"
#include "platform/unique_fd.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr auto kLimit = std::chrono::seconds(20);

class StatusSocket : public testing::Test {
 protected:
  static auto listen(const std::string& path) {
    return StatusServer::start(path, 0600, [] { return StatusReport{}; });
  }
  /// Something else than this version's daemon behind the socket.
  void serve(grpc::Service& service) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    server_ = builder.BuildAndStart();
    ASSERT_TRUE(server_);
  }

  TempDirectory directory_;
  std::string socket_ = directory_.file("s.sock");
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(StatusSocket, APathThatIsTooLongIsRefusedWithTheLength) {
  constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  std::string path = directory_.file("");
  path += std::string(kLongest + 1 - path.size(), 's');
  const auto refused = listen(path);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error(),
              AllOf(HasSubstr(std::to_string(kLongest)), HasSubstr(path), HasSubstr("control.socket")));
  path.pop_back();
  const auto longest = listen(path);
  EXPECT_TRUE(longest.has_value()) << longest.error();
  EXPECT_TRUE(fetch_status(path, kLimit).has_value());
}

TEST_F(StatusSocket, ADirectoryThatIsNotThereIsNamed) {
  const std::string path = directory_.file("missing") + "/s.sock";
  const auto refused = listen(path);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error(), AllOf(HasSubstr(path), HasSubstr("check that its directory exists")));
}

/// "There is no such socket" would send the operator looking for a daemon that is running.
TEST_F(StatusSocket, APathThatCannotBeFollowedIsNotCalledMissing) {
  std::filesystem::create_symlink(socket_, socket_);  // to itself
  const auto fetched = fetch_status(socket_, kLimit);
  ASSERT_FALSE(fetched.has_value());
  EXPECT_TRUE(fetched.error().unreachable);
  EXPECT_THAT(fetched.error().text, AllOf(HasSubstr(socket_), Not(HasSubstr("there is no status socket"))));
}

TEST_F(StatusSocket, ASocketThatADaemonLeftBehindIsUnreachable) {
  {
    const platform::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    const void* generic = &address;
    ASSERT_EQ(::bind(fd.get(), static_cast<const sockaddr*>(generic), sizeof address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(socket_));
  const auto status = fetch_status(socket_, kLimit);
  ASSERT_FALSE(status.has_value());
  EXPECT_TRUE(status.error().unreachable);
  EXPECT_THAT(status.error().text, HasSubstr("no answer from gnomond on " + socket_));
  const auto listing = fetch_listing(socket_, "right/", kLimit);
  ASSERT_FALSE(listing.has_value());
  EXPECT_TRUE(listing.error().unreachable);
}

TEST_F(StatusSocket, AnOlderDaemonTellsItsStatusAndIsToldApart) {
  // NOLINTBEGIN(readability-identifier-naming): the name is gRPC's.
  struct Older final : v1::StatusService::Service {
    grpc::Status GetStatus(grpc::ServerContext* /*context*/, const v1::GetStatusRequest* /*request*/,
                           v1::GetStatusResponse* response) override {
      response->mutable_daemon()->set_version("0.1");
      return grpc::Status::OK;
    }
  } older;
  // NOLINTEND(readability-identifier-naming)
  serve(older);
  const auto status = fetch_status(socket_, kLimit);
  ASSERT_TRUE(status.has_value()) << status.error().text;
  EXPECT_EQ(status->daemon.version, "0.1");
  const auto listing = fetch_listing(socket_, "right/", kLimit);
  ASSERT_FALSE(listing.has_value());
  EXPECT_FALSE(listing.error().unreachable) << "it is there; waiting for it helps nobody";
  EXPECT_THAT(listing.error().text, AllOf(HasSubstr(socket_), HasSubstr("it is older than this gnomon")));
  server_.reset();
}

TEST_F(StatusSocket, ARefusalIsToldInItsOwnWords) {
  // NOLINTBEGIN(readability-identifier-naming): the name is gRPC's.
  struct Refusing final : v1::StatusService::Service {
    grpc::Status GetStatus(grpc::ServerContext* /*context*/, const v1::GetStatusRequest* /*request*/,
                           v1::GetStatusResponse* /*response*/) override {
      return {grpc::StatusCode::INTERNAL, "its report is too large"};
    }
  } refusing;
  // NOLINTEND(readability-identifier-naming)
  serve(refusing);
  const auto status = fetch_status(socket_, kLimit);
  ASSERT_FALSE(status.has_value());
  EXPECT_FALSE(status.error().unreachable);
  EXPECT_THAT(status.error().text, AllOf(HasSubstr(socket_), HasSubstr("its report is too large")));
  server_.reset();
}

}  // namespace
}  // namespace gnomon::control
