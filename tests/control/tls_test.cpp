// SPDX-License-Identifier: Apache-2.0
//
// Between gnomond and etcd stand certificates, passwords and roles. With the right ones it serves; with each wrong one
// it must not serve, must not crash, and must say what is wrong as far as anybody tells it: gRPC reports most failed
// handshakes as a connection that ended.
//
// Each wrong thing is wrong in this one thing only, and the same cluster lets the right one in before and after, so a
// refusal proves that this thing is looked at. The wrong daemons all run at once: each of them tries for 30 s.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/etcd/etcd_store.hpp"
#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/hosts.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using Options = std::map<std::string, std::string>;

constexpr std::uint64_t kFewestIds = 300;
constexpr int kGivesUpWith = 3;  // cmd/exit_code.hpp: unreachable

/// A way of being wrong, and what the log has to say of it: one of these words, by the version of gRPC and of etcd.
struct Wrong {
  std::string name;
  Options options;
  std::vector<std::string> words;
};

class Tls : public testing::Test {
 protected:
  EtcdCluster* start(EtcdOptions options) {
    std::string why;
    for (const char* version : {"3.5", "3.4"}) {
      options.version = version;
      if (!EtcdCluster::available(options, &why)) continue;
      clusters_.push_back(std::make_unique<EtcdCluster>(options));
      clusters_.back()->start();
      return clusters_.back().get();
    }
    skipped_ = why;
    return nullptr;
  }

  static Options shown(const Certificate& certificate) {
    return {{"store.cert_file", certificate.certificate.string()}, {"store.key_file", certificate.key.string()}};
  }
  static Options with(Options options, const Options& more) {
    for (const auto& [option, value] : more)
      options[option] = value;
    return options;
  }

  void expect_serves(Hosts& hosts, std::size_t j) {
    ASSERT_TRUE(hosts.start(j)) << hosts.log(j);
    ASSERT_TRUE(hosts.serves(j)) << hosts.log(j);
    std::uint64_t ids = 0;
    EXPECT_TRUE(support::eventually([&] { return (ids += hosts.take(j).ids) >= kFewestIds; })) << ids;
  }

  // All at once: each says its words, serves nobody, is alive until it is told to stop, and then ends by itself. With
  // `patience` the first is left to give up.
  void expect_refused(Hosts& hosts, const std::vector<Wrong>& wrongs, bool patience = false) {
    std::vector<std::size_t> numbers;
    for (const Wrong& wrong : wrongs) {
      numbers.push_back(hosts.add(wrong.options));
      hosts.daemon(numbers.back()).start();
    }
    for (std::size_t i = 0; i < wrongs.size(); ++i) {
      const auto said = [&] {
        const std::string log = hosts.log(numbers[i]);
        return std::any_of(wrongs[i].words.begin(), wrongs[i].words.end(),
                           [&](const std::string& word) { return log.find(word) != std::string::npos; });
      };
      EXPECT_TRUE(support::eventually(said)) << wrongs[i].name << ": nothing of what it should say is in\n"
                                             << hosts.log(numbers[i]);
    }
    for (std::size_t i = wrongs.size(); i-- > 0;) {
      support::Daemon& daemon = hosts.daemon(numbers[i]);
      EXPECT_TRUE(daemon.alive()) << wrongs[i].name << " ended early\n" << hosts.log(numbers[i]);
      const bool gives_up = patience && i == 0;
      if (!gives_up) daemon.send_signal(SIGTERM);
      const support::Exit exit = hosts.wait_exit(numbers[i]);
      EXPECT_EQ(exit.signal, 0) << wrongs[i].name << "\n" << hosts.log(numbers[i]);
      EXPECT_EQ(exit.code, gives_up ? kGivesUpWith : 0) << wrongs[i].name << "\n" << hosts.log(numbers[i]);
      const std::string log = hosts.log(numbers[i]);
      EXPECT_EQ(log.find("rights acquired"), std::string::npos) << wrongs[i].name << "\n" << log;
      EXPECT_EQ(log.find("gnomond ready"), std::string::npos) << wrongs[i].name << "\n" << log;
      std::size_t warnings = 0;
      for (std::size_t at = log.find(" warn "); at != std::string::npos; at = log.find(" warn ", at + 1))
        ++warnings;
      EXPECT_LE(warnings, 20U) << wrongs[i].name << " fills the log\n" << log;
    }
  }

  std::vector<std::unique_ptr<EtcdCluster>> clusters_;
  std::string skipped_;
};

TEST_F(Tls, OnlyTheRightCertificateIsLetInOnEitherSide) {
  EtcdCluster* const etcd = start({.election_timeout = 300ms, .tls = EtcdTls::kMutual});
  if (etcd == nullptr) GTEST_SKIP() << skipped_;
  EtcdCluster* const elsewhere = start(
      {.election_timeout = 300ms, .tls = EtcdTls::kMutual, .server_certificate = &Certificates::other_name_server});
  ASSERT_NE(elsewhere, nullptr) << skipped_;
  const Certificates& pki = etcd->certificates();
  const Options ca{{"store.ca_file", pki.ca().string()}};
  const Options right = with(ca, shown(pki.client()));
  Hosts hosts(*etcd);
  expect_serves(hosts, hosts.add(right));

  std::string plain = etcd->url();
  plain.replace(plain.find("https://"), 8, "http://");
  const Certificates& others = elsewhere->certificates();
  const std::vector<std::string> no_client{"client certificate", "ended the connection at once"};
  expect_refused(
      hosts,
      {{"another CA", with(right, {{"store.ca_file", pki.other_ca().string()}}), {"not signed by the CA"}},
       {"an expired client certificate", with(ca, shown(pki.expired_client())), no_client},
       {"no client certificate", ca, no_client},
       {"a client certificate of another authority", with(ca, shown(pki.other_ca_client())), no_client},
       {"http:// to a TLS port", {{"store.url", plain}}, {"http:// against https://"}},
       {"a server certificate with another name",
        with({{"store.url", elsewhere->url()}, {"store.ca_file", others.ca().string()}}, shown(others.client())),
        {"made out to another name"}}},
      true);

  // None of that disturbed who is in, and the door is still open.
  const Account first = hosts.take(0);
  EXPECT_GE(first.ids, kFewestIds);
  EXPECT_EQ(first.refused + first.other, 0U) << hosts.log(0);
  expect_serves(hosts, hosts.add(right));
  hosts.expect_unique();
}

// What can't work at all is refused at once, as a mistake in the configuration.
TEST_F(Tls, FilesThatCannotWorkAreRefusedAtOnce) {
  EtcdCluster* const etcd = start({.election_timeout = 300ms, .tls = EtcdTls::kMutual});
  if (etcd == nullptr) GTEST_SKIP() << skipped_;
  const Certificates& pki = etcd->certificates();
  const Options right = with({{"store.ca_file", pki.ca().string()}}, shown(pki.client()));
  Hosts hosts(*etcd);
  const std::filesystem::path open_key = etcd->folder() / "open.key";
  std::filesystem::copy_file(pki.client().key, open_key);
  std::filesystem::permissions(open_key, std::filesystem::perms{0644});
  for (const auto& [options, word] :
       std::vector<std::pair<Options, std::string>>{{{{"store.ca_file", "/nonexistent/ca.pem"}}, "/nonexistent/ca.pem"},
                                                    {{{"store.key_file", open_key.string()}}, "chmod 600"},
                                                    {{{"store.key_file", ""}}, "store.key_file"}}) {
    const std::size_t j = hosts.add(with(right, options));
    const support::Exit exit = hosts.start_refused(j);
    EXPECT_EQ(exit.code, 2) << word << "\n" << hosts.log(j);
    EXPECT_NE(hosts.log(j).find(word), std::string::npos) << hosts.log(j);
  }
}

TEST_F(Tls, PasswordAndRoleDecide) {
  EtcdCluster* const etcd = start({.election_timeout = 300ms,
                                   .users = {{.name = "gnomon", .password = "secret", .prefix = "gnomon/"},
                                             {.name = "stranger", .password = "secret", .prefix = "elsewhere/"}}});
  if (etcd == nullptr) GTEST_SKIP() << skipped_;
  Hosts hosts(*etcd);
  const auto user = [&](const std::string& name, const std::string& password) -> Options {
    const std::filesystem::path file = etcd->folder() / (name + "-" + password);
    std::ofstream(file) << password << '\n';
    std::filesystem::permissions(file, std::filesystem::perms{0600});
    return {{"store.user", name}, {"store.password_file", file.string()}};
  };
  expect_serves(hosts, hosts.add(user("gnomon", "secret")));
  expect_refused(hosts, {{"a wrong password", user("gnomon", "wrong"), {"store.password_file"}},
                         {"a user without the role", user("stranger", "secret"), {"grant-permission"}},
                         {"nobody", {}, {"store.user"}}});

  // A role that is taken away from a daemon that runs: it goes on to the end of its window, says why, and comes back.
  etcd->must_etcdctl({"user", "revoke-role", "gnomon", "gnomon"});
  EXPECT_TRUE(hosts.stands_down(0)) << hosts.log(0);
  EXPECT_NE(hosts.log(0).find("grant-permission"), std::string::npos) << hosts.log(0);
  EXPECT_TRUE(hosts.daemon(0).alive()) << hosts.log(0);
  etcd->must_etcdctl({"user", "grant-role", "gnomon", "gnomon"});
  EXPECT_TRUE(hosts.serves(0)) << hosts.log(0);
  hosts.expect_unique();
}

// etcd reads its certificate at every new connection. A renewed one disturbs nobody, and is what the next daemon sees;
// an expired one keeps the next daemon out and leaves those alone who are in.
TEST_F(Tls, TheServersCertificateIsRenewedUnderARunningDaemon) {
  EtcdCluster* const etcd = start({.election_timeout = 300ms, .tls = EtcdTls::kMutual});
  if (etcd == nullptr) GTEST_SKIP() << skipped_;
  const Certificates& pki = etcd->certificates();
  const Options right = with({{"store.ca_file", pki.ca().string()}}, shown(pki.client()));
  Hosts hosts(*etcd);
  expect_serves(hosts, hosts.add(right));

  const std::filesystem::path fresh = etcd->folder() / "fresh";
  const auto openssl = [&](const std::string& words) {
    const support::Output output = support::run_program({"/bin/sh", "-c", "openssl " + words}, {});
    EXPECT_EQ(output.exit.code, 0) << output.text;
    return output.text;
  };
  std::ofstream(fresh.string() + ".ext") << "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=IP:127.0.0.1\n";
  openssl(
      fmt::format("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=etcd-renewed -keyout '{0}.key' "
                  "-out '{0}.csr'",
                  fresh.string()));
  std::filesystem::path ca_key = pki.ca();
  openssl(
      fmt::format("x509 -req -in '{0}.csr' -CA '{1}' -CAkey '{2}' -CAcreateserial -days 30 -out '{0}.pem' "
                  "-extfile '{0}.ext'",
                  fresh.string(), pki.ca().string(), ca_key.replace_extension(".key").string()));
  const auto put_in_place = [&](const Certificate& of) {
    const auto over = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy_file(of.key, pki.server().key, over);
    std::filesystem::copy_file(of.certificate, pki.server().certificate, over);
  };
  const auto shown_by_server = [&] {
    const Certificate client = pki.client();
    return support::run_program(
               {"/bin/sh", "-c",
                fmt::format("openssl s_client -connect 127.0.0.1:{} -CAfile '{}' -cert '{}' -key '{}' </dev/null 2>&1",
                            etcd->client_port(0), pki.ca().string(), client.certificate.string(), client.key.string())},
               {})
        .text;
  };
  EXPECT_EQ(shown_by_server().find("etcd-renewed"), std::string::npos);
  put_in_place({fresh.string() + ".pem", fresh.string() + ".key"});
  EXPECT_NE(shown_by_server().find("etcd-renewed"), std::string::npos) << shown_by_server();

  // Two windows long, so every kind of call was made several times.
  (void)hosts.take(0);
  expect_serves(hosts, hosts.add(right));
  std::this_thread::sleep_for(2 * HostTimes{}.window);
  const Account seen = hosts.take(0);
  EXPECT_GE(seen.ids, kFewestIds);
  EXPECT_LE(seen.refused + seen.other, seen.ids / 20) << "a busy machine may be late once\n" << hosts.log(0);

  put_in_place(pki.expired_server());
  expect_refused(hosts, {{"an expired server certificate", right, {"it has expired"}}});
  const Account after = hosts.take(0);
  EXPECT_GE(after.ids, kFewestIds);
  EXPECT_LE(after.refused + after.other, after.ids / 20) << hosts.log(0);
  hosts.expect_unique();
}

/// A store whose client certificate lies in files that are overwritten while it is open.
class Renewal : public Tls {
 protected:
  void open(EtcdCluster& etcd, const Certificate& first) {
    etcd_ = &etcd;
    std::filesystem::create_directories(folder());
    put_in_place(first);
    control::EtcdOptions options;
    options.endpoints = {fmt::format("127.0.0.1:{}", etcd.client_port(0))};
    options.tls = true;
    options.ca_file = etcd.certificates().ca().string();
    options.certificate_file = shown().certificate.string();
    options.key_file = shown().key.string();
    auto opened = control::EtcdStore::open(std::move(options));
    ASSERT_TRUE(opened) << opened.error().text;
    store_ = std::move(*opened);
  }
  // As an operator does: one file after the other, in place.
  void put_in_place(const Certificate& of) const {
    const auto over = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy_file(of.certificate, shown().certificate, over);
    std::filesystem::copy_file(of.key, shown().key, over);
  }
  [[nodiscard]] std::filesystem::path folder() const { return etcd_->folder() / "shown"; }
  [[nodiscard]] Certificate shown() const { return {folder() / "client.pem", folder() / "client.key"}; }
  void break_connections() {
    etcd_->kill_hard(0);
    etcd_->start_member(0);
    ASSERT_TRUE(etcd_->wait_healthy());
  }
  bool is_let_in() { return store_->list("").has_value(); }
  /// With what a refused client is told; empty if it is let in.
  std::string refusal() {
    const auto listing = store_->list("");
    return listing ? "" : listing.error().text;
  }
  bool is_refused() {
    const std::string text = refusal();
    return text.find("client certificate") != std::string::npos ||
           text.find("ended the connection at once") != std::string::npos;
  }

  EtcdCluster* etcd_ = nullptr;
  std::unique_ptr<control::EtcdStore> store_;
};

TEST_F(Renewal, TheNextConnectionShowsWhatTheFilesHaveThen) {
  EtcdCluster* const etcd = start({.election_timeout = 300ms, .tls = EtcdTls::kMutual});
  if (etcd == nullptr) GTEST_SKIP() << skipped_;
  const Certificates& pki = etcd->certificates();
  ASSERT_NO_FATAL_FAILURE(open(*etcd, pki.expired_client()));
  EXPECT_TRUE(is_refused()) << refusal();
  put_in_place(pki.client());
  ASSERT_TRUE(support::eventually([&] { return is_let_in(); })) << refusal();
  const auto watch = store_->watch("", {1});
  const auto hears = [&](const std::string& key) {
    EXPECT_TRUE(store_->commit({{}, {{key, "x"}}, {}}));
    return support::eventually([&] {
      const auto heard = watch->next(time::milliseconds(200));
      return heard && !heard->changes.empty() && heard->changes.back().entry.key == key;
    });
  };
  EXPECT_TRUE(hears("a"));

  put_in_place(pki.other_ca_client());  // a mistake, and nobody notices yet
  EXPECT_TRUE(is_let_in()) << "a connection that stands is left alone: " << refusal();
  EXPECT_TRUE(hears("b"));
  ASSERT_NO_FATAL_FAILURE(break_connections());
  EXPECT_TRUE(support::eventually([&] { return is_refused(); })) << refusal();
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(is_refused()) << "the old certificate is still shown: " << refusal();

  put_in_place(pki.client());
  ASSERT_TRUE(support::eventually([&] { return is_let_in(); })) << refusal();
  EXPECT_TRUE(hears("c")) << "the watch connects by itself";
}

TEST_F(Renewal, FilesThatCannotBeReadChangeNothing) {
  EtcdCluster* const etcd = start({.election_timeout = 300ms, .tls = EtcdTls::kMutual});
  if (etcd == nullptr) GTEST_SKIP() << skipped_;
  const Certificates& pki = etcd->certificates();
  ASSERT_NO_FATAL_FAILURE(open(*etcd, pki.client()));
  ASSERT_TRUE(support::eventually([&] { return is_let_in(); })) << refusal();
  std::ofstream(shown().certificate, std::ios::trunc) << "half of a";
  ASSERT_NO_FATAL_FAILURE(break_connections());
  EXPECT_TRUE(support::eventually([&] { return is_let_in(); })) << refusal();

  // With nobody to connect to, the log names the files as well.
  etcd->kill_hard(0);
  EXPECT_TRUE(support::eventually([&] { return refusal().find("is no PEM file") != std::string::npos; })) << refusal();
  std::filesystem::remove(shown().certificate);
  EXPECT_TRUE(support::eventually([&] { return refusal().find("there is no file") != std::string::npos; }))
      << refusal();
  put_in_place(pki.client());
  EXPECT_TRUE(support::eventually([&] { return refusal().find("store.cert_file") == std::string::npos; })) << refusal();
}

// Half of a pair: the certificate is the new one already, the key is not.
TEST_F(Renewal, HalfOfAPairDoesNotConnectAndTheOtherHalfCuresIt) {
  EtcdCluster* const etcd = start({.election_timeout = 300ms, .tls = EtcdTls::kMutual});
  if (etcd == nullptr) GTEST_SKIP() << skipped_;
  const Certificates& pki = etcd->certificates();
  ASSERT_NO_FATAL_FAILURE(open(*etcd, pki.client()));
  ASSERT_TRUE(support::eventually([&] { return is_let_in(); })) << refusal();
  std::filesystem::copy_file(pki.other_ca_client().key, shown().key, std::filesystem::copy_options::overwrite_existing);
  ASSERT_NO_FATAL_FAILURE(break_connections());
  EXPECT_TRUE(support::eventually([&] { return !is_let_in(); }));
  EXPECT_FALSE(is_let_in());
  put_in_place(pki.client());
  EXPECT_TRUE(support::eventually([&] { return is_let_in(); })) << refusal();
}

}  // namespace
}  // namespace gnomon::bed
