// SPDX-License-Identifier: Apache-2.0
//
// The socket towards ptp4l and chronyd: daemons that are not there, restart, hang or are impersonated; and files that
// stand in the way. Nothing here may wait.
#include "ptp/datagram_socket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "platform/unique_fd.hpp"

namespace gnomon::ptp {
namespace {

constexpr uid_t kNobody = 65534;
constexpr std::size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}

const sockaddr* raw(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);  // NOLINT(*-reinterpret-cast): what the socket API asks for
}

/// Somebody with a datagram socket of his own at `path`.
class Party {
 public:
  explicit Party(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const sockaddr_un address = address_of(path);
    if (!fd_.valid() || ::bind(fd_.get(), raw(address), sizeof address) != 0)
      throw std::system_error(errno, std::generic_category(), path);
  }
  [[nodiscard]] bool say(const std::string& text, const std::string& to) const {
    const sockaddr_un address = address_of(to);
    return ::sendto(fd_.get(), text.data(), text.size(), 0, raw(address), sizeof address) >= 0;
  }
  [[nodiscard]] std::string hear() const {
    std::array<char, 256> buffer{};
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    return size < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  platform::UniqueFd fd_;
};

/// Without root's right to pass over permissions, for as long as it lives.
class Unprivileged {
 public:
  Unprivileged() : was_root_(geteuid() == 0 && seteuid(kNobody) == 0) {}
  ~Unprivileged() {
    if (was_root_ && seteuid(0) != 0) std::abort();
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  bool was_root_;
};

class DatagramSocketTest : public testing::Test {
 protected:
  DatagramSocketTest() {
    std::string name = "/tmp/gnomon-socket-XXXXXX";  // short: a socket's path has little room
    if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category());
    folder = name;
  }
  ~DatagramSocketTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return folder / name; }
  [[nodiscard]] std::string own() const { return path("own"); }
  [[nodiscard]] std::string peer() const { return path("peer"); }

  void open() {
    const auto failed = socket.open(own(), peer(), "the daemon");
    ASSERT_FALSE(failed) << failed->text;
  }
  [[nodiscard]] std::optional<SourceError> open(const std::string& at, const std::string& towards) {
    return socket.open(at, towards, "the daemon");
  }
  [[nodiscard]] std::optional<SourceError> send(const std::string& text) {
    return socket.send(std::as_bytes(std::span(text)));
  }
  [[nodiscard]] std::string receive() const {
    std::array<std::byte, 256> buffer{};
    const auto datagram = socket.receive(buffer);
    std::string out;
    for (const std::byte b : datagram)
      out += static_cast<char>(b);
    return out;
  }
  static void expect_unreadable(const std::optional<SourceError>& error, const std::string& part) {
    ASSERT_TRUE(error);
    EXPECT_EQ(error->fault, SourceFault::kUnreadable);
    EXPECT_NE(error->text.find(part), std::string::npos) << error->text;
  }

  std::filesystem::path folder;
  DatagramSocket socket;
};

TEST_F(DatagramSocketTest, CarriesQuestionsAndAnswers) {
  const Party daemon(peer());
  open();
  EXPECT_EQ(receive(), "") << "nothing is there, and nobody waits for it";
  EXPECT_FALSE(send("how late is it?"));
  EXPECT_EQ(daemon.hear(), "how late is it?");
  ASSERT_TRUE(daemon.say("late", own()));
  ASSERT_TRUE(daemon.say("later", own()));
  EXPECT_EQ(receive(), "late");
  EXPECT_EQ(receive(), "later");
  EXPECT_EQ(receive(), "");
}

// chronyd has given up root when it answers.
TEST_F(DatagramSocketTest, EverybodyMayAnswerToIt) {
  const Party daemon(peer());
  open();
  struct stat file{};
  ASSERT_EQ(::stat(own().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0666U);
}

TEST_F(DatagramSocketTest, WithoutADaemonItSaysSo) {
  expect_unreadable(open(own(), peer()), "the daemon at " + peer());
  expect_unreadable(open(own(), peer()), "No such file");
  expect_unreadable(open(own(), peer()), "does it run");
  EXPECT_FALSE(socket.valid());
  EXPECT_FALSE(std::filesystem::exists(own())) << "and nobody can leave word in it";
}

TEST_F(DatagramSocketTest, FindsADaemonThatRestartsAtTheSamePlace) {
  std::optional<Party> daemon(peer());
  open();
  EXPECT_FALSE(send("one"));
  daemon.reset();
  std::filesystem::remove(peer());
  daemon.emplace(peer());
  EXPECT_FALSE(send("two")) << "at once: nobody had to ask in between";
  EXPECT_EQ(daemon->hear(), "two");
  ASSERT_TRUE(daemon->say("here", own()));
  EXPECT_EQ(receive(), "here");
  daemon.reset();
  expect_unreadable(send("three"), "refused");  // its file is left, as after a crash
  EXPECT_FALSE(socket.valid());
  std::filesystem::remove(peer());
  const Party again(peer());
  open();
  EXPECT_FALSE(send("four"));
  EXPECT_EQ(again.hear(), "four");
}

TEST_F(DatagramSocketTest, FindsADaemonThatTookThePlaceOfOneThatHangs) {
  const Party hangs(peer());
  open();
  for (int i = 0; i < 1'000 && socket.send({}) == std::nullopt; ++i)
    continue;
  std::filesystem::remove(peer());
  const Party daemon(peer());
  EXPECT_FALSE(send("are you there?"));
  EXPECT_EQ(daemon.hear(), "are you there?");
  EXPECT_FALSE(hangs.say("here", own())) << "who was asked before has no say any more";
}

TEST_F(DatagramSocketTest, LetsNobodyElseIn) {
  const Party daemon(peer());
  const Party stranger(path("stranger"));
  const platform::UniqueFd nameless(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un to = address_of(own());
  open();
  EXPECT_FALSE(stranger.say("it is midnight", own()));
  EXPECT_EQ(::sendto(nameless.get(), "noon", 4, 0, raw(to), sizeof to), -1);
  EXPECT_EQ(errno, EPERM);
  ASSERT_TRUE(daemon.say("it is one", own()));
  EXPECT_FALSE(stranger.say("it is midnight", own()));
  EXPECT_EQ(receive(), "it is one");
  EXPECT_EQ(receive(), "");
}

// What a mount namespace of his own gives to a stranger: a socket whose name is the daemon's, which is not the
// daemon's.
TEST_F(DatagramSocketTest, TheNameOfTheDaemonAloneLetsNobodyIn) {
  const Party daemon(peer());
  open();
  std::filesystem::rename(peer(), path("moved"));
  const Party impostor(peer());
  EXPECT_FALSE(impostor.say("it is midnight", own()));
  ASSERT_TRUE(daemon.say("it is one", own()));
  EXPECT_EQ(receive(), "it is one");
}

// /var/run is a link to /run, and a daemon's own name for its socket need not be the one in our configuration.
TEST_F(DatagramSocketTest, KnowsTheDaemonByItsSocketAndNotByItsName) {
  const Party daemon(peer());
  std::filesystem::create_directory_symlink(folder, path("link"));
  const auto failed = open(own(), path("link") + "/peer");
  ASSERT_FALSE(failed) << failed->text;
  ASSERT_TRUE(daemon.say("it is one", own()));
  EXPECT_EQ(receive(), "it is one");
}

TEST_F(DatagramSocketTest, ADaemonThatHangsIsNotWaitedFor) {
  const Party daemon(peer());
  open();
  std::optional<SourceError> full;
  for (int i = 0; i < 100'000 && !full; ++i)
    full = send("are you there?");
  expect_unreadable(full, "queue is full");
  EXPECT_TRUE(socket.valid());
  EXPECT_EQ(daemon.hear(), "are you there?");
  EXPECT_FALSE(send("again")) << "once it takes them again";
}

TEST_F(DatagramSocketTest, ReplacesTheFileThatAnEarlierRunLeft) {
  {
    const Party earlier(own());
  }
  ASSERT_TRUE(std::filesystem::exists(own()));
  const Party daemon(peer());
  open();
  ASSERT_TRUE(daemon.say("it is one", own()));
  EXPECT_EQ(receive(), "it is one");
}

TEST_F(DatagramSocketTest, TakesItsFileAlong) {
  const Party daemon(peer());
  open();
  EXPECT_TRUE(std::filesystem::exists(own()));
  {
    const DatagramSocket moved(std::move(socket));
    EXPECT_TRUE(moved.valid());
    EXPECT_TRUE(std::filesystem::exists(own()));
  }
  EXPECT_FALSE(std::filesystem::exists(own()));
  const DatagramSocket never_opened;
  EXPECT_FALSE(never_opened.valid());
}

TEST_F(DatagramSocketTest, WhatCanNotBeReplacedIsAnErrorWithItsPath) {
  const Party daemon(peer());
  std::filesystem::create_directory(own());
  expect_unreadable(open(own(), peer()), "bind the socket " + own());
  EXPECT_FALSE(socket.valid());
  EXPECT_TRUE(std::filesystem::is_directory(own()));
  expect_unreadable(open(path("no/such/folder"), peer()), "No such file");
}

TEST_F(DatagramSocketTest, PathsThatDoNotFitAreRefusedAndNotCutOff) {
  const std::string longest = path(std::string(kLongestPath - path("").size(), 'x'));
  ASSERT_EQ(longest.size(), kLongestPath);
  expect_unreadable(open(longest + "x", peer()), "longer than 107 bytes");
  expect_unreadable(open(own(), longest + "x"), "longer than 107 bytes");
  expect_unreadable(open("", peer()), "empty");
  expect_unreadable(open(own(), ""), "empty");
  EXPECT_FALSE(socket.valid());
  const Party daemon(peer());
  const auto failed = open(longest, peer());
  ASSERT_FALSE(failed) << failed->text;
  ASSERT_TRUE(daemon.say("it is one", longest));
  EXPECT_EQ(receive(), "it is one");
}

TEST_F(DatagramSocketTest, AFolderThatItMayNotWriteIsAnErrorWithItsPath) {
  const Party daemon(peer());
  ASSERT_EQ(::chmod(peer().c_str(), 0666), 0);
  std::filesystem::create_directory(path("closed"));
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path("closed").c_str(), 0555), 0);
  const Unprivileged nobody;
  expect_unreadable(open(path("closed/own"), peer()), "Permission denied");
  expect_unreadable(open(path("closed/own"), peer()), path("closed/own"));
}

TEST_F(DatagramSocketTest, ADaemonThatItMayNotWriteToIsAnErrorWithARemedy) {
  const Party daemon(peer());
  ASSERT_EQ(::chmod(peer().c_str(), 0400), 0);
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  const Unprivileged nobody;
  expect_unreadable(open(path("own"), peer()), "Permission denied");
  expect_unreadable(open(path("own"), peer()), "may gnomond write to its socket?");
}

}  // namespace
}  // namespace gnomon::ptp
