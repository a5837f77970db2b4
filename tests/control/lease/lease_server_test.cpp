// SPDX-License-Identifier: Apache-2.0
//
// The TCP port: whom it lets in, and what peers who mean no good can do to everybody else, which is nothing. A
// bystander is served all the time.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "platform/unique_fd.hpp"
#include "tests/control/bed/certificates.hpp"
#include "tests/control/lease/lease_doors.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::control {
namespace {

using bed::Certificate;
using bed::Certificates;
using grpc::StatusCode;
using support::eventually;

constexpr auto kShort = std::chrono::seconds(3);  // in which somebody who is to be refused tries

class LeaseServerTest : public LeaseDoors {
 protected:
  static void SetUpTestSuite() {
    if (!Certificates::available()) return;
    folder = std::make_unique<support::ScratchFolder>();
    pki = std::make_unique<Certificates>(folder->path());
  }
  static void TearDownTestSuite() {
    pki.reset();
    folder.reset();
  }
  void SetUp() override {
    LeaseDoors::SetUp();
    if (!pki) GTEST_SKIP() << "openssl, which makes certificates, is not installed";
  }
  static LeaseServerTls right() { return files(pki->ca(), pki->server()); }
  static LeaseServerTls files(const std::filesystem::path& ca, const Certificate& own) {
    return {.ca_file = ca.string(), .cert_file = own.certificate.string(), .key_file = own.key.string()};
  }
  void serve(const LeaseServerTls& tls) {
    start();
    auto made = LeaseServer::start({"127.0.0.1:0"}, tls, *service);
    ASSERT_TRUE(made.has_value()) << made.error();
    server = std::move(*made);
  }
  [[nodiscard]] PlainClient tls_client(unsigned number, const std::filesystem::path& ca,
                                       const Certificate* shown) const {
    grpc::SslCredentialsOptions tls{.pem_root_certs = support::slurp(ca), .pem_private_key = "", .pem_cert_chain = ""};
    if (shown != nullptr) {
      tls.pem_private_key = support::slurp(shown->key);
      tls.pem_cert_chain = support::slurp(shown->certificate);
    }
    return {server->listens_on().front(), grpc::SslCredentials(tls), number};
  }
  [[nodiscard]] PlainClient friendly(unsigned number) const {
    const Certificate own = pki->client();
    return tls_client(number, pki->ca(), &own);
  }
  /// A TCP connection that says nothing.
  [[nodiscard]] platform::UniqueFd connection() const {
    platform::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const void* generic = &address;
    EXPECT_EQ(::connect(fd.get(), static_cast<const sockaddr*>(generic), sizeof address), 0);
    return fd;
  }
  /// Whether the other side has closed it; what it sends before is passed over.
  static bool is_closed(int fd) {
    char bytes[512];
    for (;;) {
      const ssize_t n = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (n > 0) continue;
      return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    }
  }

  static std::unique_ptr<support::ScratchFolder> folder;
  static std::unique_ptr<Certificates> pki;
};
std::unique_ptr<support::ScratchFolder> LeaseServerTest::folder;
std::unique_ptr<Certificates> LeaseServerTest::pki;

TEST_F(LeaseServerTest, OnlyTheRightCertificateIsLetIn) {
  serve(right());
  Bystander bystander(friendly(1));
  ASSERT_TRUE(bystander.is_served(1));
  const Certificate of_another_authority = pki->other_ca_client();
  const Certificate expired = pki->expired_client();
  std::vector<std::pair<std::string, PlainClient>> strangers;
  strangers.emplace_back("no certificate", tls_client(2, pki->ca(), nullptr));
  strangers.emplace_back("one of another authority", tls_client(3, pki->ca(), &of_another_authority));
  strangers.emplace_back("an expired one", tls_client(4, pki->ca(), &expired));
  strangers.emplace_back("no TLS", PlainClient(server->listens_on().front(), grpc::InsecureChannelCredentials(), 5));
  for (auto& [name, stranger] : strangers) {
    v1::GetLeaseResponse seen;
    const grpc::Status refused = stranger.get("one", seen, kShort);
    EXPECT_TRUE(refused.error_code() == StatusCode::UNAVAILABLE ||
                refused.error_code() == StatusCode::DEADLINE_EXCEEDED)
        << name << ": " << refused.error_code() << " " << refused.error_message();
    EXPECT_TRUE(bystander.is_served(3)) << name;
  }
  const auto gets = static_cast<std::size_t>(LeaseMethod::kGetLease);
  EXPECT_EQ(service->counters().calls[gets], 0U) << "none of them got as far as a call";
  PlainClient again = friendly(6);
  v1::GetLeaseResponse seen;
  EXPECT_TRUE(again.get("one", seen).ok()) << "and the door is still open";
}

TEST_F(LeaseServerTest, AServerOfAnotherAuthorityIsNotTalkedTo) {
  serve(files(pki->ca(), pki->other_ca_server()));
  PlainClient client = friendly(1);
  v1::GetLeaseResponse seen;
  EXPECT_FALSE(client.get("one", seen, kShort).ok());
  EXPECT_EQ(service->counters().open, 0U);
}

TEST_F(LeaseServerTest, ASessionIsBoundToItsCertificate) {
  serve(right());
  PlainClient owner = friendly(1);
  const Certificate other = pki->server();  // good for a client, too: its first name is 127.0.0.1
  PlainClient thief = tls_client(1, pki->ca(), &other);
  v1::SessionResponse opened;
  ASSERT_TRUE(owner.open(&opened).ok());
  ASSERT_TRUE(opened.has_open());
  v1::AcquireResponse held;
  ASSERT_TRUE(owner.acquire("one", held).ok());
  v1::GetLeaseResponse seen;
  ASSERT_TRUE(owner.get("one", seen).ok());
  EXPECT_EQ(seen.lease().principal(), "gnomon");
  ASSERT_TRUE(thief.open(&opened).ok());
  EXPECT_EQ(opened.refused().reason(), v1::FOREIGN_SESSION) << opened.refused().text();
  v1::AcquireResponse stolen;
  ASSERT_TRUE(thief.acquire("one", stolen).ok());
  EXPECT_EQ(stolen.refused().reason(), v1::FOREIGN_SESSION);
  ASSERT_TRUE(owner.acquire("one", stolen).ok());
  EXPECT_EQ(stolen.held().token(), held.held().token()) << "it is still its owner's";
  v1::BreakLeaseRequest request;
  request.set_name("one");
  request.set_holder_is_stopped(true);
  v1::BreakLeaseResponse broken;
  grpc::ClientContext context;
  EXPECT_EQ(owner.stub->BreakLease(&context, request, &broken).error_code(), StatusCode::PERMISSION_DENIED);
}

/// Its bearer would own the sessions of everybody who comes through the Unix socket.
TEST_F(LeaseServerTest, ACertificateForTheNameOfAnotherDoorIsNobodys) {
  const Certificate local{folder->path() / "local.pem", folder->path() / "local.key"};
  const std::string authority_key = (folder->path() / "ca.key").string();
  std::vector<std::string> command{support::find_program("openssl")};
  command.insert(command.end(), {"req", "-x509", "-CA", pki->ca().string(), "-CAkey", authority_key, "-days", "36500"});
  command.insert(command.end(), {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"});
  command.insert(command.end(), {"-keyout", local.key.string(), "-out", local.certificate.string()});
  command.insert(command.end(), {"-subj", "/CN=gnomon", "-addext", "subjectAltName=DNS:local"});
  const support::Output signing =
      support::run_program(command, {{"OPENSSL_CONF", (folder->path() / "none.conf").string()}});
  ASSERT_EQ(signing.exit.code, 0) << signing.text;
  serve(right());
  PlainClient impostor = tls_client(1, pki->ca(), &local);
  const grpc::Status refused = impostor.open();
  EXPECT_EQ(refused.error_code(), StatusCode::UNAUTHENTICATED) << refused.error_message();
  EXPECT_NE(refused.error_message().find("'local'"), std::string::npos) << refused.error_message();
  EXPECT_EQ(service->counters().unauthenticated, 1U);
  EXPECT_TRUE(friendly(2).open().ok());
  EXPECT_EQ(service->counters().unauthenticated, 1U);
}

TEST_F(LeaseServerTest, FilesThatChangeAreTakenUp) {
  options.certificate_check = time::seconds(1);
  const std::filesystem::path own = directory.path();
  const auto put = [&](const std::filesystem::path& ca, const Certificate& certificate) {
    // Beside, and then over the old ones: nobody sees half a file.
    for (const auto& [from, to] :
         {std::pair{ca, "ca.pem"}, {certificate.certificate, "cert.pem"}, {certificate.key, "key.pem"}}) {
      std::filesystem::copy_file(from, own / "new");
      std::filesystem::permissions(own / "new", std::filesystem::perms{0600});
      std::filesystem::rename(own / "new", own / to);
    }
  };
  put(pki->ca(), pki->server());
  serve({.ca_file = own / "ca.pem", .cert_file = own / "cert.pem", .key_file = own / "key.pem"});
  Bystander bystander(friendly(1));
  ASSERT_TRUE(bystander.is_served(1));
  put(pki->other_ca(), pki->other_ca_server());
  const Certificate other = pki->other_ca_client();
  EXPECT_TRUE(eventually([&] {
    PlainClient client = tls_client(2, pki->other_ca(), &other);
    v1::GetLeaseResponse seen;
    return client.get("one", seen, std::chrono::seconds(1)).ok();
  }));
  EXPECT_TRUE(bystander.is_served(3)) << "who is in stays in";
  PlainClient late = friendly(3);
  v1::GetLeaseResponse seen;
  EXPECT_FALSE(late.get("one", seen, kShort).ok()) << "the old authority counts no more";
}

TEST_F(LeaseServerTest, WhatCannotWorkIsRefusedAtTheStart) {
  start();
  const LeaseServerTls good = right();
  const auto expect_refused = [&](const std::string& listen, const LeaseServerTls& tls, const std::string& word) {
    const auto made = LeaseServer::start({listen}, tls, *service);
    ASSERT_FALSE(made.has_value()) << word;
    EXPECT_NE(made.error().find(word), std::string::npos) << made.error();
  };
  LeaseServerTls tls = good;
  tls.ca_file = "/nonexistent/ca.pem";
  expect_refused("127.0.0.1:0", tls, "/nonexistent/ca.pem");
  tls = good;
  tls.ca_file = "";
  expect_refused("127.0.0.1:0", tls, "the certificate of the authority");
  tls = good;
  tls.cert_file = "/proc/self/comm";
  expect_refused("127.0.0.1:0", tls, "no PEM file");
  tls = good;
  tls.key_file = pki->client().key.string();
  expect_refused("127.0.0.1:0", tls, "is not that of");
  const std::filesystem::path open_key = directory.file("open.key");
  std::filesystem::copy_file(pki->server().key, open_key);
  std::filesystem::permissions(open_key, std::filesystem::perms{0644});
  tls = good;
  tls.key_file = open_key.string();
  expect_refused("127.0.0.1:0", tls, "chmod 600");
  expect_refused("somewhere:1", good, "is no endpoint");
  auto made = LeaseServer::start({"127.0.0.1:0"}, good, *service);
  ASSERT_TRUE(made.has_value()) << made.error();
  expect_refused((*made)->listens_on().front(), good, "nobody else has the port");
  for (const char* everywhere : {"0.0.0.0:0", "[::]:0"}) {
    const auto insecure = LeaseServer::start_insecure_for_tests({everywhere}, *service);
    ASSERT_FALSE(insecure.has_value()) << everywhere;
    EXPECT_NE(insecure.error().find("loopback"), std::string::npos);
  }
}

TEST_F(LeaseServerTest, SeveralAddressesAreServedOrNone) {
  start();
  auto made = LeaseServer::start({"127.0.0.1:0", "127.0.0.1:0"}, right(), *service);
  ASSERT_TRUE(made.has_value()) << made.error();
  server = std::move(*made);
  ASSERT_EQ(server->listens_on().size(), 2U);
  ASSERT_NE(server->listens_on()[0], server->listens_on()[1]);
  const Certificate own = pki->client();
  const grpc::SslCredentialsOptions tls{.pem_root_certs = support::slurp(pki->ca()),
                                        .pem_private_key = support::slurp(own.key),
                                        .pem_cert_chain = support::slurp(own.certificate)};
  unsigned number = 0;
  for (const std::string& address : server->listens_on()) {
    PlainClient client(address, grpc::SslCredentials(tls), ++number);
    v1::GetLeaseResponse seen;
    EXPECT_TRUE(client.get("one", seen).ok()) << address;
  }
  const auto half = LeaseServer::start({"127.0.0.1:0", server->listens_on()[1]}, right(), *service);
  ASSERT_FALSE(half.has_value());
  EXPECT_NE(half.error().find("each address"), std::string::npos) << half.error();
  EXPECT_NE(half.error().find(server->listens_on()[1]), std::string::npos) << half.error();
  EXPECT_FALSE(LeaseServer::start({}, right(), *service).has_value());
}

TEST_F(LeaseServerTest, GarbageAndSilenceHoldNobodyUp) {
  constexpr std::size_t kSilent = 200;
  serve(right());
  Bystander bystander(friendly(1));
  ASSERT_TRUE(bystander.is_served(1));
  std::vector<platform::UniqueFd> silent;
  silent.reserve(kSilent);
  for (std::size_t i = 0; i < kSilent; ++i)
    silent.push_back(connection());
  EXPECT_TRUE(bystander.is_served(5)) << "beside " << kSilent << " silent connections";
  std::uint32_t random = 12'345;
  for (int i = 0; i < 50; ++i) {
    const platform::UniqueFd fd = connection();
    std::string bytes(1 + static_cast<std::size_t>(i) * 40, '\0');
    for (char& byte : bytes)
      byte = static_cast<char>((random = random * 1'664'525 + 1'013'904'223) >> 24);
    // What looks like the beginning of TLS, of HTTP/2 or of HTTP/1, and goes on as nonsense.
    if (i % 4 == 1) bytes.insert(0, std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
    if (i % 4 == 2) bytes.insert(0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    if (i % 4 == 3) bytes.insert(0, "GET / HTTP/1.1\r\n\r\n");
    (void)!::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    EXPECT_TRUE(eventually([&] { return is_closed(fd.get()); })) << "garbage number " << i;
  }
  EXPECT_TRUE(bystander.is_served(5)) << "after garbage";
  for (const platform::UniqueFd& fd : silent)
    EXPECT_TRUE(eventually([&] { return is_closed(fd.get()); })) << "a silent connection is kept for ever";
  EXPECT_TRUE(bystander.is_served(5));
  EXPECT_EQ(bystander.failed(), 0);
}

}  // namespace
}  // namespace gnomon::control
