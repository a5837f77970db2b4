// SPDX-License-Identifier: Apache-2.0
//
// The proxy between client and etcd does what it says, to real etcdctl and real etcd: what was done and what was not is
// asked of etcd on a way around the proxy.
#include "tests/control/bed/fault_proxy.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;
using support::eventually;

platform::Endpoint on_loopback(std::uint16_t port) { return {serve::Address::v4(127, 0, 0, 1), port}; }

platform::UniqueFd connected_to(std::uint16_t port) {
  const platform::SocketAddress address = platform::to_socket_address(on_loopback(port));
  platform::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), address.get(), address.size) != 0) throw std::runtime_error("no connection to the proxy");
  return fd;
}

void say(const platform::UniqueFd& fd, const std::string& bytes) {
  ASSERT_EQ(send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

// Whether the connection comes to be reset; what is said before is read and forgotten.
bool is_reset(const platform::UniqueFd& fd) {
  std::array<char, 4096> ignored{};
  while (true) {
    pollfd readable{fd.get(), POLLIN, 0};
    if (poll(&readable, 1, 20'000) <= 0) return false;
    const ssize_t n = recv(fd.get(), ignored.data(), ignored.size(), 0);
    if (n <= 0) return n < 0 && errno == ECONNRESET;
  }
}

class Proxied : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { begin({.version = GetParam()}); }

  void begin(const EtcdOptions& options) {
    std::string why;
    if (!EtcdCluster::available(options, &why)) GTEST_SKIP() << why;
    etcd_ = std::make_unique<EtcdCluster>(options);
    etcd_->start();
    proxy_ = std::make_unique<FaultProxy>(on_loopback(etcd_->client_port(0)));
    const std::string scheme = options.tls == EtcdTls::kNone ? "http" : "https";
    through_proxy_ = {.endpoints = {scheme + "://127.0.0.1:" + std::to_string(proxy_->port())}, .limit = 5000ms};
  }

  [[nodiscard]] bool put(const std::string& key, const std::string& value,
                         std::chrono::milliseconds limit = 5000ms) const {
    EtcdctlAccess access = through_proxy_;
    access.limit = limit;
    return etcd_->etcdctl({"put", key, value}, access).exit.code == 0;
  }

  /// Around the proxy; nothing there: version 0.
  [[nodiscard]] EtcdKey key(const std::string& name) const { return etcd_->get(name).value_or(EtcdKey{}); }

  /// The connection on which the last request was made.
  [[nodiscard]] FaultProxy::Recording last_request() const {
    for (const auto& all = proxy_->recordings(); const auto& recording : std::vector(all.rbegin(), all.rend()))
      if (recording.requests > 0) return recording;
    return {};
  }

  std::unique_ptr<EtcdCluster> etcd_;
  std::unique_ptr<FaultProxy> proxy_;
  EtcdctlAccess through_proxy_;
};

class ProxiedWithTls : public Proxied {
 protected:
  void SetUp() override {
    std::string why;
    if (!Certificates::available(&why)) GTEST_SKIP() << why;
    begin({.version = GetParam(), .tls = EtcdTls::kMutual});
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, Proxied, testing::ValuesIn(kVersions), version_name);
INSTANTIATE_TEST_SUITE_P(Versions, ProxiedWithTls, testing::ValuesIn(kVersions), version_name);

TEST_P(Proxied, BytesPass) {
  EXPECT_TRUE(put("a", "1"));
  EXPECT_EQ(key("a").value, "1");
  EXPECT_GT(proxy_->counts().bytes_to_server, 0U);
  EXPECT_GT(proxy_->counts().bytes_to_client, 0U);
  EXPECT_EQ(proxy_->counts().answers_dropped, 0U);
  EXPECT_EQ(proxy_->counts().bytes_swallowed, 0U);
}

TEST_P(Proxied, ALongValuePassesWhole) {
  const std::string value(100'000, 'v');
  EXPECT_TRUE(put("a", value));
  const support::Output told = etcd_->etcdctl({"get", "a", "--print-value-only"}, through_proxy_);
  EXPECT_EQ(told.text, value + "\n");
}

TEST_P(Proxied, ADroppedAnswerIsThatOfACommitThatWasDone) {
  proxy_->drop_answers();
  EXPECT_FALSE(put("a", "1"));
  EXPECT_EQ(key("a").value, "1");
  EXPECT_GE(proxy_->counts().answers_dropped, 1U);
  EXPECT_GE(proxy_->counts().resets, 1U);
  proxy_->pass();
  EXPECT_TRUE(put("a", "2"));
  EXPECT_EQ(key("a").version, 2U) << "etcdctl said the first one more than once";
}

TEST_P(Proxied, NobodyListensAndThenSomebodyDoesAgain) {
  const platform::UniqueFd open = connected_to(proxy_->port());
  ASSERT_TRUE(eventually([&] { return proxy_->counts().accepted == 1; }));
  proxy_->refuse();
  EXPECT_TRUE(is_reset(open));
  EXPECT_THROW((void)connected_to(proxy_->port()), std::runtime_error);
  EXPECT_FALSE(put("a", "1", 300ms));
  proxy_->pass();
  EXPECT_TRUE(put("a", "2"));
  EXPECT_EQ(key("a").version, 1U);
}

TEST_P(Proxied, ResetConnectionsCarryNothing) {
  const platform::UniqueFd open = connected_to(proxy_->port());
  ASSERT_TRUE(eventually([&] { return proxy_->counts().accepted == 1; }));
  proxy_->reset();
  EXPECT_TRUE(is_reset(open));
  EXPECT_TRUE(is_reset(connected_to(proxy_->port())));
  EXPECT_FALSE(put("a", "1", 300ms));
  EXPECT_EQ(key("a").version, 0U);
  EXPECT_GE(proxy_->counts().resets, 2U);
}

TEST_P(Proxied, AStalledRequestIsNotDoneAndPassesLater) {
  ASSERT_TRUE(put("a", "1"));
  const std::string request = proxy_->said(last_request().connection);
  proxy_->stall();
  const std::uint64_t passed = proxy_->counts().bytes_to_server;
  const platform::UniqueFd client = connected_to(proxy_->port());
  say(client, request);
  EXPECT_FALSE(put("b", "1", 300ms));
  EXPECT_EQ(proxy_->counts().bytes_to_server, passed);
  EXPECT_EQ(key("a").version, 1U);
  proxy_->pass();
  EXPECT_TRUE(eventually([&] { return key("a").version == 2; }));
}

TEST_P(Proxied, NoByteIsEarly) {
  constexpr auto kDelay = 100ms;
  proxy_->delay(kDelay);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(put("a", "1"));
  // The client greets and is greeted, asks and is answered.
  EXPECT_GE(std::chrono::steady_clock::now() - start, 3 * kDelay);
  proxy_->delay(0ms);
  EXPECT_TRUE(put("a", "2"));
}

// What it takes to be undone by a write that nobody waits for any more.
TEST_P(Proxied, AHeldRequestIsDoneAfterALaterOne) {
  ASSERT_TRUE(put("a", "old"));
  const std::string request = proxy_->said(last_request().connection);
  const std::uint64_t accepted = proxy_->counts().accepted;
  {
    const platform::UniqueFd client = connected_to(proxy_->port());
    ASSERT_TRUE(eventually([&] { return proxy_->counts().accepted == accepted + 1; }));
    proxy_->hold();
    say(client, request);
    say(client, std::string("\0\0\4\3\0\0\0\0\1\0\0\0\10", 13));  // RST_STREAM of stream 1: cancelled
    ASSERT_TRUE(eventually([&] { return proxy_->counts().cancellations_lost >= 1; }));
  }
  ASSERT_TRUE(put("a", "new"));  // on a connection that is not held
  EXPECT_EQ(key("a").version, 2U);
  // The proxy learns that the client has gone as it learns anything: a moment later.
  ASSERT_TRUE(eventually([&] {
    proxy_->let_go();
    return proxy_->counts().bytes_swallowed > 0 || key("a").version == 3;
  }));
  EXPECT_TRUE(eventually([&] { return key("a").version == 3; }));
  EXPECT_EQ(key("a").value, "old");
}

TEST_P(Proxied, AReplayedConnectionIsDoneTwice) {
  ASSERT_TRUE(put("a", "1"));
  const FaultProxy::Recording recording = last_request();
  ASSERT_TRUE(recording.replayable);
  ASSERT_EQ(recording.requests, 1U);
  EXPECT_EQ(proxy_->replay(recording.connection), recording.requests);
  EXPECT_EQ(key("a").version, 2U);
  // Late, when the client has gone on over another connection.
  ASSERT_TRUE(put("a", "2"));
  EXPECT_EQ(proxy_->replay(recording.connection), recording.requests);
  EXPECT_EQ(key("a").version, 4U);
  EXPECT_EQ(key("a").value, "1");
  EXPECT_EQ(proxy_->counts().replays, 2U);
  EXPECT_THROW(proxy_->replay(1'000'000), std::runtime_error);
}

TEST_P(ProxiedWithTls, WhatCannotBeReadPassesButIsNotReplayed) {
  EXPECT_TRUE(put("a", "1"));
  EXPECT_EQ(key("a").value, "1");
  ASSERT_FALSE(proxy_->recordings().empty());
  for (const FaultProxy::Recording& recording : proxy_->recordings()) {
    EXPECT_FALSE(recording.replayable);
    EXPECT_THROW(proxy_->replay(recording.connection), std::runtime_error);
  }
}

TEST_P(ProxiedWithTls, ANewConnectionGetsNoFurtherThanItsHandshakeWhileAnswersAreDropped) {
  proxy_->drop_answers();
  EXPECT_FALSE(put("a", "1", 500ms));
  EXPECT_EQ(key("a").version, 0U);
  EXPECT_GE(proxy_->counts().answers_dropped, 1U);
  proxy_->pass();
  EXPECT_TRUE(put("a", "2"));
}

TEST(FrameSplitter, CutsTheSameFramesHoweverTheBytesCome) {
  const std::string frames = std::string(kHttp2Preface) + std::string("\0\0\3\1\5\0\0\0\1abc", 12) +
                             std::string("\0\0\0\4\1\0\0\0\0", 9) + std::string("\0\0\4\3\0\0\0\0\1\0\0\0\10", 13);
  for (std::size_t step = 1; step <= frames.size(); ++step) {
    FrameSplitter splitter = FrameSplitter::of_client();
    std::string all;
    std::vector<FrameType> types;
    std::size_t ends = 0;
    for (std::size_t at = 0; at < frames.size(); at += step)
      splitter.feed(std::string_view(frames).substr(at, step),
                    [&](const Frame& frame, std::string_view piece, bool begins) {
                      all += piece;
                      if (begins) types.push_back(frame.type);
                      ends += begins && frame.ends_stream() ? 1 : 0;
                    });
    EXPECT_EQ(all, frames) << step;
    EXPECT_EQ(types, (std::vector{FrameType::kHeaders, FrameType{4}, FrameType::kRstStream})) << step;
    EXPECT_EQ(ends, 1U) << step;
  }
  EXPECT_EQ(without_cancellations(frames + std::string("\0\0\3\0", 4)), frames.substr(0, frames.size() - 13));
}

}  // namespace
}  // namespace gnomon::bed
