// SPDX-License-Identifier: Apache-2.0
//
// Text from a stranger that is no UTF-8. protobuf refuses the message, and by itself it writes a line to stderr each
// time, in no form of ours: whoever may ask a daemon anything could fill its log.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "control/protobuf_log.hpp"
#include "gnomon/v1/status.grpc.pb.h"
#include "tests/support/daemon.hpp"

namespace gnomon::cmd {
namespace {

constexpr const char* kNoText = "right/\xff\xfe";

/// What parsing such a message writes to stderr.
std::string said_of_it() {
  v1::ReadStoreRequest request;
  EXPECT_TRUE(request.ParseFromString(std::string("\x0a\x02ok", 4)));
  testing::internal::CaptureStderr();
  EXPECT_FALSE(request.ParseFromString(std::string("\x0a\x02\xff\xfe", 4)));
  return testing::internal::GetCapturedStderr();
}

#if GOOGLE_PROTOBUF_VERSION < 4022000
TEST(ForeignText, WhatProtobufHasToSayGoesNowhere) {
  google::protobuf::SetLogHandler([](google::protobuf::LogLevel /*level*/, const char* /*file*/, int /*line*/,
                                     const std::string& message) { std::fputs(message.c_str(), stderr); });
  EXPECT_NE(said_of_it(), "") << "the test proves nothing: it has nothing to say of this";
  control::keep_protobuf_quiet();
  EXPECT_EQ(said_of_it(), "");
}
#endif

TEST(ForeignText, TheLogOfTheDaemonHasLinesOfOneKind) {
  control::keep_protobuf_quiet();  // of what is written here, to send it
  const support::ScratchFolder folder;
  const std::string socket = (folder.path() / "s.sock").string();
  for (const char* supervised : {"false", "true"}) {
    SCOPED_TRACE(supervised);
    support::Daemon daemon(folder.path(), {{"control.socket", socket}, {"server.supervise", supervised}});
    daemon.start();
    ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
    const auto stub =
        v1::StatusService::NewStub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
    const auto ask = [&stub](const std::string& prefix) {
      v1::ReadStoreRequest request;
      request.set_prefix(prefix);
      v1::ReadStoreResponse response;
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
      return stub->ReadStore(&context, request, &response);
    };
    for (int i = 0; i < 20; ++i)
      EXPECT_FALSE(ask(kNoText).ok());
    EXPECT_TRUE(ask("right/").ok()) << "the next one is served";
    EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
    EXPECT_EQ(daemon.log().find("libprotobuf"), std::string::npos) << daemon.log();
    EXPECT_EQ(daemon.log().find("UTF-8"), std::string::npos) << daemon.log();
  }
}

}  // namespace
}  // namespace gnomon::cmd
