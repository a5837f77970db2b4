// SPDX-License-Identifier: Apache-2.0
//
// A throwaway certificate authority, and what it and a stranger have signed: the right certificates, and each way of
// being wrong. They are made by the `openssl` program into a folder of the test's own, with keys that nobody protects.
//
// A wrong certificate is wrong in one thing only, so that a refusal proves that this one thing is looked at: an expired
// one names the right host and comes from the right authority.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gnomon::bed {

struct Certificate {
  std::filesystem::path certificate;  // PEM
  std::filesystem::path key;          // PEM, not encrypted
};

class Certificates {
 public:
  /// Into `folder`, which exists. `server_names`: what a right server certificate speaks for, as in "IP:10.78.0.1" or
  /// "DNS:etcd-0", besides 127.0.0.1, ::1 and localhost. Throws std::runtime_error with what openssl said.
  explicit Certificates(std::filesystem::path folder, const std::vector<std::string>& server_names = {});

  /// Whether there is an openssl program; else `why` says so.
  [[nodiscard]] static bool available(std::string* why = nullptr);

  [[nodiscard]] std::filesystem::path ca() const { return folder_ / "ca.pem"; }
  [[nodiscard]] std::filesystem::path other_ca() const { return folder_ / "other-ca.pem"; }

  [[nodiscard]] Certificate server() const { return named("server"); }
  [[nodiscard]] Certificate expired_server() const { return named("expired-server"); }
  [[nodiscard]] Certificate other_name_server() const { return named("other-name-server"); }  // "elsewhere.invalid"
  [[nodiscard]] Certificate other_ca_server() const { return named("other-ca-server"); }

  [[nodiscard]] Certificate client() const { return named("client"); }  // its common name is "gnomon"
  [[nodiscard]] Certificate expired_client() const { return named("expired-client"); }
  [[nodiscard]] Certificate other_ca_client() const { return named("other-ca-client"); }

 private:
  struct Wanted {
    std::string name;
    std::string common_name;
    std::string subject_names;
    std::string authority = "ca";
    bool expired = false;
  };
  void make_authority(const std::string& name) const;
  void issue(const Wanted& wanted) const;
  void openssl(const std::vector<std::string>& arguments) const;
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] Certificate named(const std::string& name) const {
    return {folder_ / (name + ".pem"), folder_ / (name + ".key")};
  }

  std::filesystem::path folder_;
};

}  // namespace gnomon::bed
