// SPDX-License-Identifier: Apache-2.0
#include "platform/endpoint.hpp"

#include <gtest/gtest.h>

namespace gnomon::platform {
namespace {

TEST(Endpoint, ReadsAndPrintsBothFamilies) {
  for (const char* text : {"127.0.0.1:14666", "0.0.0.0:0", "[::1]:14666", "[::]:0", "[2001:db8::1]:65535"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << endpoint.error().text;
    EXPECT_EQ(to_string(*endpoint), text);
  }
}

TEST(Endpoint, KeepsTheFamilyAndTheWildcard) {
  EXPECT_TRUE(parse_endpoint("127.0.0.1:1")->is_v4());
  EXPECT_FALSE(parse_endpoint("[::1]:1")->is_v4());
  EXPECT_TRUE(parse_endpoint("0.0.0.0:1")->is_wildcard());
  EXPECT_TRUE(parse_endpoint("[::]:1")->is_wildcard());
  EXPECT_FALSE(parse_endpoint("0.0.0.1:1")->is_wildcard());
  EXPECT_EQ(parse_endpoint("[::ffff:10.0.0.1]:5"), parse_endpoint("10.0.0.1:5"));
}

TEST(Endpoint, TakesADefaultPortOnlyWhereNoneIsWritten) {
  EXPECT_EQ(parse_endpoint("10.1.2.3", 14666)->port, 14666);
  EXPECT_EQ(parse_endpoint("[::1]", 14666)->port, 14666);
  EXPECT_EQ(parse_endpoint("10.1.2.3:7", 14666)->port, 7);
  EXPECT_EQ(parse_endpoint("10.1.2.3:", 14666).error().fault, EndpointFault::kBadPort);
}

TEST(Endpoint, SaysWhatIsWrong) {
  const auto fault = [](std::string_view text) { return parse_endpoint(text).error().fault; };
  EXPECT_EQ(fault("127.0.0.1"), EndpointFault::kNoPort);
  EXPECT_EQ(fault("[::1]"), EndpointFault::kNoPort);
  EXPECT_EQ(fault("127.0.0.1:65536"), EndpointFault::kBadPort);
  EXPECT_EQ(fault("127.0.0.1:-1"), EndpointFault::kBadPort);
  EXPECT_EQ(fault("127.0.0.1:1x"), EndpointFault::kBadPort);
  EXPECT_EQ(fault("127.0.0.1: 1"), EndpointFault::kBadPort);
  EXPECT_EQ(fault("127.0.0.1:000080"), EndpointFault::kBadPort);
  EXPECT_EQ(parse_endpoint("127.0.0.1:00080")->port, 80);
  EXPECT_EQ(fault("localhost:1"), EndpointFault::kBadAddress);
  EXPECT_EQ(fault(""), EndpointFault::kBadAddress);
  EXPECT_EQ(fault(":1"), EndpointFault::kBadAddress);
  EXPECT_EQ(fault("[127.0.0.1]:1"), EndpointFault::kBadAddress);
  EXPECT_EQ(fault("[::1:14666"), EndpointFault::kBadAddress);
  EXPECT_EQ(fault("[::1]14666"), EndpointFault::kBadAddress);
  EXPECT_EQ(fault("1.2.3:4"), EndpointFault::kBadAddress);
  EXPECT_EQ(fault("::1:14666"), EndpointFault::kNeedsBrackets);
  EXPECT_EQ(fault(std::string_view("127.0.0.1\0x:1", 13)), EndpointFault::kBadAddress);
  EXPECT_NE(parse_endpoint("localhost:1").error().text.find("localhost:1"), std::string::npos);
}

TEST(Endpoint, SurvivesTheKernelsForm) {
  for (const char* text : {"127.0.0.1:14666", "[2001:db8::1]:65535"}) {
    const Endpoint endpoint = *parse_endpoint(text);
    const SocketAddress address = to_socket_address(endpoint);
    EXPECT_EQ(address.family(), endpoint.is_v4() ? AF_INET : AF_INET6);
    EXPECT_EQ(from_socket_address(address.storage), endpoint);
  }
  sockaddr_storage local{};
  local.ss_family = AF_UNIX;
  EXPECT_FALSE(from_socket_address(local));
}

}  // namespace
}  // namespace gnomon::platform
