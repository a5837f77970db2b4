// SPDX-License-Identifier: Apache-2.0
//
// The throwaway certificates are worth something: real etcd lets the right ones in, and neither it nor its client has
// anything to do with one that is wrong in a single thing.
#include "tests/control/bed/certificates.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

class EtcdWithTls : public Etcd {
 protected:
  void SetUp() override { skip_unless_available({.version = GetParam(), .tls = EtcdTls::kMutual}); }

  static std::string put_words(const EtcdCluster& etcd, const EtcdctlAccess& access) {
    const support::Output output = etcd.etcdctl({"put", "who", "came"}, access);
    return output.exit.code == 0 ? "let in" : output.text;
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, EtcdWithTls, testing::ValuesIn(kVersions), version_name);

TEST_P(EtcdWithTls, TheRightCertificatesAreLetIn) {
  EtcdCluster& etcd = start({.members = 3, .tls = EtcdTls::kMutual});
  EXPECT_EQ(etcd.url().substr(0, 13), "etcd:https://");
  EXPECT_EQ(put_words(etcd, {}), "let in");
  EXPECT_EQ(etcd.get("who").value_or(EtcdKey{}).value, "came");
}

TEST_P(EtcdWithTls, EachWrongClientIsRefused) {
  EtcdCluster& etcd = start({.tls = EtcdTls::kMutual});
  const Certificates& certificates = etcd.certificates();
  for (const EtcdctlAccess& wrong : {
           EtcdctlAccess{.client = certificates.expired_client(), .limit = 300ms},
           EtcdctlAccess{.client = certificates.other_ca_client(), .limit = 300ms},
           EtcdctlAccess{.without_certificate = true, .limit = 300ms},
           EtcdctlAccess{.ca = certificates.other_ca(), .limit = 300ms},
       })
    EXPECT_NE(put_words(etcd, wrong), "let in");
  EXPECT_FALSE(etcd.get("who").has_value());
  EXPECT_NE(etcd.logs().find("expired"), std::string::npos) << etcd.logs();
}

TEST_P(EtcdWithTls, EachWrongServerIsRefused) {
  const std::pair<Certificate (Certificates::*)() const, const char*> wrongs[] = {
      {&Certificates::expired_server, "expired"},
      {&Certificates::other_name_server, "127.0.0.1"},
      {&Certificates::other_ca_server, "unknown authority"},
  };
  for (const auto& [certificate, word] : wrongs) {
    EtcdCluster& etcd = start({.tls = EtcdTls::kServer, .server_certificate = certificate});
    const std::string words = put_words(etcd, {.limit = 300ms});
    EXPECT_NE(words, "let in");
    // The older client keeps the reason to itself.
    if (std::string(GetParam()) != "3.4") {
      EXPECT_NE(words.find(word), std::string::npos) << words;
    }
    EXPECT_EQ(put_words(etcd, {.verifies = false}), "let in");
  }
}

TEST(Certificates, AreWrongInOneThingOnly) {
  std::string why;
  if (!Certificates::available(&why)) GTEST_SKIP() << why;
  const support::ScratchFolder folder;
  const Certificates all(folder.path());
  const auto verify = [](const std::filesystem::path& ca, const Certificate& certificate, const char* option) {
    std::vector<std::string> command{support::find_program("openssl"), "verify", "-CAfile", ca.string()};
    if (std::string(option) == "at another time")
      command.insert(command.end(), {"-no_check_time"});
    else if (*option != '\0')
      command.insert(command.end(), {"-verify_ip", option});
    command.push_back(certificate.certificate.string());
    return support::run_program(command, {}).exit.code == 0;
  };
  EXPECT_TRUE(verify(all.ca(), all.server(), "127.0.0.1"));
  EXPECT_TRUE(verify(all.ca(), all.client(), ""));
  EXPECT_FALSE(verify(all.ca(), all.expired_server(), "127.0.0.1"));
  EXPECT_TRUE(verify(all.ca(), all.expired_server(), "at another time"));
  EXPECT_FALSE(verify(all.ca(), all.expired_client(), ""));
  EXPECT_TRUE(verify(all.ca(), all.expired_client(), "at another time"));
  EXPECT_FALSE(verify(all.ca(), all.other_name_server(), "127.0.0.1"));
  EXPECT_TRUE(verify(all.ca(), all.other_name_server(), ""));
  EXPECT_FALSE(verify(all.ca(), all.other_ca_server(), "127.0.0.1"));
  EXPECT_TRUE(verify(all.other_ca(), all.other_ca_server(), "127.0.0.1"));
  EXPECT_FALSE(verify(all.ca(), all.other_ca_client(), ""));
  EXPECT_TRUE(verify(all.other_ca(), all.other_ca_client(), ""));
}

}  // namespace
}  // namespace gnomon::bed
