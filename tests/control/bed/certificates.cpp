// SPDX-License-Identifier: Apache-2.0
#include "tests/control/bed/certificates.hpp"

#include <fstream>
#include <stdexcept>
#include <utility>

#include "tests/support/child_process.hpp"

namespace gnomon::bed {
namespace {

constexpr const char* kLoopbackNames = "IP:127.0.0.1,IP:::1,DNS:localhost";
// Far from any clock that a test sets.
constexpr const char* kStart = "20200101000000Z";
constexpr const char* kEnd = "20991231235959Z";
constexpr const char* kEndOfExpired = "20200102000000Z";

std::string joined(const std::vector<std::string>& words, const std::string& first) {
  std::string text = first;
  for (const std::string& word : words)
    text += "," + word;
  return text;
}

}  // namespace

bool Certificates::available(std::string* why) {
  const bool here = !support::find_program("openssl").empty();
  if (why != nullptr) *why = here ? "" : "openssl, which makes certificates, is not installed";
  return here;
}

Certificates::Certificates(std::filesystem::path folder, const std::vector<std::string>& server_names)
    : folder_(std::move(folder)) {
  make_authority("ca");
  make_authority("other-ca");
  const std::string here = joined(server_names, kLoopbackNames);
  const std::string client = "DNS:gnomon";
  for (const Wanted& wanted : {
           Wanted{.name = "server", .common_name = "etcd", .subject_names = here},
           Wanted{.name = "expired-server", .common_name = "etcd", .subject_names = here, .expired = true},
           Wanted{.name = "other-name-server", .common_name = "etcd", .subject_names = "DNS:elsewhere.invalid"},
           Wanted{.name = "other-ca-server", .common_name = "etcd", .subject_names = here, .authority = "other-ca"},
           Wanted{.name = "client", .common_name = "gnomon", .subject_names = client},
           Wanted{.name = "expired-client", .common_name = "gnomon", .subject_names = client, .expired = true},
           Wanted{.name = "other-ca-client", .common_name = "gnomon", .subject_names = client, .authority = "other-ca"},
       })
    issue(wanted);
}

void Certificates::openssl(const std::vector<std::string>& arguments) const {
  std::vector<std::string> command{support::find_program("openssl")};
  if (command[0].empty()) throw std::runtime_error("openssl is not installed");
  command.insert(command.end(), arguments.begin(), arguments.end());
  const support::Output output = support::run_program(command, {{"OPENSSL_CONF", path("none.conf")}});
  if (output.exit.code != 0) throw std::runtime_error("openssl " + arguments.at(0) + " failed: " + output.text);
}

void Certificates::make_authority(const std::string& name) const {
  std::ofstream(path("none.conf")) << "[req]\ndistinguished_name = name\n[name]\n";
  openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
           path(name + ".key"), "-out", path(name + ".pem"), "-subj", "/CN=" + name, "-days", "36500", "-addext",
           "basicConstraints=critical,CA:TRUE"});
  std::filesystem::create_directory(folder_ / (name + ".issued"));
  std::ofstream(path(name + ".index")).flush();
}

// By `openssl ca`, since no other command of openssl 3.0 lets a certificate end in the past. A server's certificate is
// good for a client, too: etcd shows it to its peers, and its HTTP gateway to itself.
void Certificates::issue(const Wanted& wanted) const {
  const std::string config = path(wanted.name + ".conf");
  std::ofstream(config) << "[ca]\ndefault_ca = it\n[it]\ndatabase = " << path(wanted.authority + ".index")
                        << "\nnew_certs_dir = " << path(wanted.authority + ".issued")
                        << "\nrand_serial = yes\ndefault_md = sha256\npolicy = any\nunique_subject = no\n"
                        << "[any]\ncommonName = supplied\n[leaf]\nbasicConstraints = CA:FALSE\n"
                        << "extendedKeyUsage = serverAuth,clientAuth\nsubjectAltName = " << wanted.subject_names
                        << '\n';
  const Certificate out = named(wanted.name);
  const std::string request = path(wanted.name + ".csr");
  openssl({"req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
           out.key.string(), "-out", request, "-subj", "/CN=" + wanted.common_name});
  openssl({"ca", "-batch", "-notext", "-config", config, "-extensions", "leaf", "-cert",
           path(wanted.authority + ".pem"), "-keyfile", path(wanted.authority + ".key"), "-startdate", kStart,
           "-enddate", wanted.expired ? kEndOfExpired : kEnd, "-in", request, "-out", out.certificate.string()});
}

}  // namespace gnomon::bed
