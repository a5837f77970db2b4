// SPDX-License-Identifier: Apache-2.0
//
// What docs/etcd.md tells operators to copy (docs/examples) is given to the programs that it is for: etcd of each
// version starts by etcd.yaml and has understood every word of it, gnomond takes gnomond-etcd.toml and what the guide
// shows of it, and the two files mean one cluster.
//
// That etcd starts proves nothing: it ignores a word that it does not know. So what is asked for is what a word is
// there for: a large transaction is taken and a larger one refused, who shows no certificate is turned away, and the
// log of the start has the numbers. The same file with one letter wrong fails the same question.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/control/bed/certificates.hpp"
#include "tests/control/bed/etcd_binaries.hpp"
#include "tests/control/bed/held_port.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::control {
namespace {

using namespace std::chrono_literals;

using support::ChildProcess;
using support::Output;

constexpr auto kLimit = 30s;
constexpr int kPollMs = 50;
constexpr int kMaxTxnOps = 1024;  // of the example

std::filesystem::path documents() {
  const char* root = std::getenv("GNOMON_SOURCE_DIR");  // set by tests/run_tests.py and meson
  return std::filesystem::path(root == nullptr ? "." : root) / "docs";
}

std::string example(const std::string& name) {
  std::string text = support::slurp(documents() / "examples" / name);
  EXPECT_FALSE(text.empty()) << name;
  return text;
}

/// All of `from`; the test fails if there is none.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "'" << from << "' is gone from\n" << text;
  for (; at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// What follows `mark` on its line.
std::string behind(const std::string& text, const std::string& mark) {
  const std::size_t at = text.find(mark);
  EXPECT_NE(at, std::string::npos) << "'" << mark << "' is gone from\n" << text;
  if (at == std::string::npos) return {};
  const std::size_t begin = at + mark.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::vector<std::string> separated(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);)
    parts.push_back(part);
  return parts;
}

// ---- etcd

/// One member by the example, with addresses, folder and certificates of the test's own.
class Member {
 public:
  Member(const bed::EtcdBinary& binary, const std::string& text) : binary_(binary) {
    std::filesystem::create_directory(folder_.path() / "pki");
    certificates_.emplace(folder_.path() / "pki");
    const std::filesystem::path file = folder_.path() / "etcd.yaml";
    std::ofstream(file) << moved_here(text);
    process_ = std::make_unique<ChildProcess>(std::vector<std::string>{binary.etcd, "--config-file", file.string()},
                                              std::map<std::string, std::string>{}, folder_.path() / "log");
  }

  [[nodiscard]] bool comes_to_serve() const {
    const auto until = std::chrono::steady_clock::now() + kLimit;
    while (ask({"endpoint", "health"}).exit.code != 0) {
      if (std::chrono::steady_clock::now() > until || !process_->running()) return false;
      support::nap(kPollMs);
    }
    return true;
  }

  /// What etcdctl says to a transaction of that many puts.
  [[nodiscard]] Output put_at_once(int operations) const {
    const std::filesystem::path file = folder_.path() / "transaction";
    {
      std::ofstream out(file);
      out << '\n';
      for (int i = 0; i < operations; ++i)
        out << "put gnomon/" << i << " x\n";
      out << "\n\n";
    }
    return ask({"txn"}, true, file);
  }

  [[nodiscard]] Output ask(const std::vector<std::string>& words, bool with_certificate = true,
                           const std::filesystem::path& input = "/dev/null") const {
    std::string command = fmt::format("exec '{}' --endpoints https://127.0.0.1:{} --cacert '{}'", binary_.etcdctl,
                                      client_.number(), certificates_->ca().string());
    if (with_certificate) {
      const bed::Certificate shown = certificates_->client();
      command += fmt::format(" --cert '{}' --key '{}'", shown.certificate.string(), shown.key.string());
    }
    command += " --dial-timeout 2s --command-timeout 5s";
    for (const std::string& word : words)
      command += ' ' + word;
    return support::run_program({"/bin/sh", "-c", fmt::format("{} <'{}'", command, input.string())},
                                {{"ETCDCTL_API", "3"}}, kLimit);
  }

  [[nodiscard]] std::string log() const { return process_->log(); }

 private:
  [[nodiscard]] std::string moved_here(std::string text) const {
    const std::string peer = fmt::format("127.0.0.1:{}", peer_.number());
    const std::string client = fmt::format("127.0.0.1:{}", client_.number());
    const bed::Certificate server = certificates_->server();
    text = replaced(text, "initial-cluster: " + behind(text, "initial-cluster: "),
                    "initial-cluster: host1=https://" + peer);
    text = replaced(text, ",https://127.0.0.1:2379", "");
    text = replaced(text, "10.77.0.1:2380", peer);
    text = replaced(text, "10.77.0.1:2379", client);
    text = replaced(text, "127.0.0.1:2381", fmt::format("127.0.0.1:{}", metrics_.number()));
    text = replaced(text, "/var/lib/etcd/gnomon", (folder_.path() / "data").string());
    text = replaced(text, "/etc/etcd/pki/ca.crt", certificates_->ca().string());
    text = replaced(text, "/etc/etcd/pki/host1.crt", server.certificate.string());
    return replaced(text, "/etc/etcd/pki/host1.key", server.key.string());
  }

  bed::EtcdBinary binary_;
  bed::HeldPort peer_, client_, metrics_;
  support::ScratchFolder folder_;
  std::optional<bed::Certificates> certificates_;
  std::unique_ptr<ChildProcess> process_;
};

class EtcdByTheExample : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string why;
    if (!bed::Certificates::available(&why)) GTEST_SKIP() << why;
    binary_ = bed::etcd_binary(GetParam(), &why);
    if (!binary_) GTEST_SKIP() << why;
  }
  std::optional<bed::EtcdBinary> binary_;
};

TEST_P(EtcdByTheExample, HasUnderstoodWhatIsSaidThere) {
  const Member etcd(*binary_, example("etcd.yaml"));
  ASSERT_TRUE(etcd.comes_to_serve()) << etcd.log();
  EXPECT_EQ(etcd.put_at_once(kMaxTxnOps).exit.code, 0) << etcd.put_at_once(kMaxTxnOps).text;
  EXPECT_NE(etcd.put_at_once(kMaxTxnOps + 1).text.find("too many operations"), std::string::npos);
  EXPECT_NE(etcd.ask({"get", "gnomon/0"}, false).exit.code, 0) << "somebody without a certificate was let in";
  for (const char* setting : {R"("heartbeat-interval":"100ms")", R"("election-timeout":"1s")", R"("pre-vote":true)",
                              R"("auto-compaction-mode":"periodic")", R"("auto-compaction-retention":"10m0s")",
                              R"("quota-backend-bytes":2147483648)", R"("initial-corrupt-check":true)",
                              R"("initial-cluster-token":"gnomon-1")"})
    EXPECT_NE(etcd.log().find(setting), std::string::npos) << setting << " is not in\n" << etcd.log();
}

// The canary: what the test above asks has another answer if the file says nothing that etcd understands.
TEST_P(EtcdByTheExample, IsFoundOutIfOneLetterIsWrong) {
  std::string text = replaced(example("etcd.yaml"), "max-txn-ops:", "max-txn-opps:");
  text = replaced(text, "pre-vote: true", "pre-vote: false");
  const Member etcd(*binary_, text);
  ASSERT_TRUE(etcd.comes_to_serve()) << etcd.log();
  EXPECT_NE(etcd.put_at_once(kMaxTxnOps).text.find("too many operations"), std::string::npos);
  EXPECT_EQ(etcd.log().find(R"("pre-vote":true)"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Etcd, EtcdByTheExample, testing::Values("3.4", "3.5"),
                         [](const auto& each) { return std::string("v") + each.param[0] + each.param[2]; });

// ---- gnomond

Output check_config(const std::string& text) {
  const support::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "gnomond.toml";
  std::ofstream(file) << text;
  return support::run_program({support::built("cmd/gnomond"), "--check-config", "--config", file.string()}, {});
}

TEST(EtcdExamples, GnomondTakesItsConfiguration) {
  const std::string text = example("gnomond-etcd.toml");
  const Output good = check_config(text);
  EXPECT_EQ(good.exit.code, 0) << good.text;
  EXPECT_EQ(check_config(replaced(text, "ca_file", "ca_fiel")).exit.code, 2);
  EXPECT_EQ(check_config(replaced(text, "https://10.77.0.2", "http://10.77.0.2")).exit.code, 2);
}

TEST(EtcdExamples, GnomondTakesWhatTheGuideShows) {
  const std::string guide = support::slurp(documents() / "etcd.md");
  std::size_t blocks = 0;
  for (std::size_t at = 0; (at = guide.find("```toml\n", at)) != std::string::npos; ++blocks) {
    at += std::string("```toml\n").size();
    const std::string block = guide.substr(at, guide.find("```", at) - at);
    EXPECT_EQ(check_config(block).exit.code, 0) << block;
  }
  EXPECT_GE(blocks, 1U) << "the guide has lost its example";
}

// The files are copied together, so they have to mean one cluster: the hosts of its members are those that the daemons
// ask, at the port that members listen on for clients.
TEST(EtcdExamples, FitTogether) {
  const std::string yaml = example("etcd.yaml");
  const std::string url = behind(example("gnomond-etcd.toml"), "url = \"etcd:");
  const std::vector<std::string> members = separated(behind(yaml, "initial-cluster: "), ',');
  EXPECT_EQ(members.size(), 3U);
  for (const std::string& member : members) {
    const std::string peer = behind(member, "https://");
    const std::string client = fmt::format("https://{}:2379", peer.substr(0, peer.find(':')));
    EXPECT_NE(url.find(client), std::string::npos) << client << " is not in " << url;
  }
  EXPECT_NE(yaml.find("advertise-client-urls: https://10.77.0.1:2379\n"), std::string::npos);
}

}  // namespace
}  // namespace gnomon::control
