// SPDX-License-Identifier: Apache-2.0
//
// The small wrappers over the operating system: what they own they give back, and what fails says why.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>

#include "oracle/page/clock_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/random.hpp"
#include "platform/shared_page.hpp"
#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::platform {
namespace {

bool is_open(int fd) { return fcntl(fd, F_GETFD) != -1; }

UniqueFd some_fd() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(UniqueFd, closes_what_it_owns_once) {
  int raw = -1;
  {
    const UniqueFd fd = some_fd();
    ASSERT_TRUE(fd.valid());
    raw = fd.get();
    EXPECT_TRUE(is_open(raw));
  }
  EXPECT_FALSE(is_open(raw));
  EXPECT_FALSE(UniqueFd().valid());
}

TEST(UniqueFd, moves_and_releases) {
  UniqueFd first = some_fd();
  const int raw = first.get();
  UniqueFd second = std::move(first);
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): that it is empty is the point
  EXPECT_EQ(second.get(), raw);
  UniqueFd third = some_fd();
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_FALSE(is_open(replaced));
  EXPECT_TRUE(is_open(raw));
  UniqueFd& same = third;
  third = std::move(same);
  EXPECT_EQ(third.get(), raw) << "assigned to itself";
  const UniqueFd owner(third.release());
  EXPECT_FALSE(third.valid());
  EXPECT_TRUE(is_open(raw));
}

TEST(SystemError, says_what_failed_why_and_what_to_do) {
  const SystemError error = system_error("bind 127.0.0.1:14666", EADDRINUSE);
  EXPECT_EQ(error.code, EADDRINUSE);
  EXPECT_EQ(error.text,
            "cannot bind 127.0.0.1:14666: Address already in use; another program has this address: stop it or choose "
            "another port");
  errno = ENOENT;
  EXPECT_EQ(system_error("open /x").text, "cannot open /x: No such file or directory; create it, or correct the path");
  EXPECT_EQ(system_error("do it", EINVAL).text, "cannot do it: Invalid argument");
}

TEST(Random, does_not_repeat_itself_and_fills_every_length) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(seen.insert(random_u64()).second);
  // Of 300 bytes each position is different from zero sooner or later: no tail is left out.
  std::array<bool, 300> touched{};
  for (int round = 0; round < 64; ++round) {
    const auto bytes = random_value<std::array<std::uint8_t, 300>>();
    for (std::size_t i = 0; i < bytes.size(); ++i)
      touched[i] = touched[i] || bytes[i] != 0;
  }
  for (std::size_t i = 0; i < touched.size(); ++i)
    EXPECT_TRUE(touched[i]) << i;
}

TEST(CycleCounter, does_not_step_back_in_one_thread) {
  time::Cycles last = read_cycles();
  for (int i = 0; i < 100'000; ++i) {
    const time::Cycles now = read_cycles();
    ASSERT_GE(now, last);
    last = now;
  }
}

// --- shared pages
// -----------------------------------------------------------------------------------------------------

std::string page_name(const char* what) {
  return "gnomon.test-" + std::to_string(getpid()) + "-" + std::to_string(random_u64()) + "." + what;
}

bool exists(const std::string& name) { return access(("/dev/shm/" + name).c_str(), F_OK) == 0; }

TEST(SharedPage, what_one_writes_others_read_until_it_ends) {
  const std::string name = page_name("worker.0");
  {
    auto owned = OwnedPage<page::WorkerPage>::create(name);
    ASSERT_TRUE(owned.has_value()) << owned.error().text;
    page::stamp(**owned, 1, 2, 3);
    (*owned)->acknowledged.store(77);
    auto foreign = ForeignPage<page::WorkerPage>::open(name);
    ASSERT_TRUE(foreign.has_value()) << foreign.error().text;
    EXPECT_EQ((*foreign)->acknowledged.load(), 77U);
    (*owned)->acknowledged.store(78);
    EXPECT_EQ((*foreign)->acknowledged.load(), 78U);
    const OwnedPage<page::WorkerPage> moved = std::move(*owned);
    EXPECT_EQ(moved->acknowledged.load(), 78U);
    EXPECT_TRUE(exists(name));
  }
  EXPECT_FALSE(exists(name));
  EXPECT_EQ(ForeignPage<page::WorkerPage>::open(name).error().code, ENOENT);
}

TEST(SharedPage, a_new_page_does_not_disturb_who_still_maps_the_old_one) {
  const std::string name = page_name("worker.0");
  auto old = OwnedPage<page::WorkerPage>::create(name);
  ASSERT_TRUE(old.has_value());
  page::stamp(**old, 1, 2, 3);
  (*old)->acknowledged.store(5);
  auto fresh = OwnedPage<page::WorkerPage>::create(name);
  ASSERT_TRUE(fresh.has_value());
  EXPECT_EQ((*fresh)->acknowledged.load(), 0U);
  EXPECT_EQ((*old)->acknowledged.load(), 5U);
}

TEST(SharedPage, is_readable_by_everybody_and_writable_by_its_owner_whatever_the_umask) {
  const mode_t before = umask(077);
  const std::string name = page_name("clock");
  const auto owned = OwnedPage<page::ClockPage>::create(name);
  umask(before);
  ASSERT_TRUE(owned.has_value());
  struct stat info{};
  ASSERT_EQ(stat(("/dev/shm/" + name).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0644U);
  EXPECT_GE(static_cast<std::size_t>(info.st_blocks) * 512, sizeof(page::ClockPage))
      << "memory that is not there kills";
}

TEST(SharedPage, refuses_strangers) {
  const std::string name = page_name("clock");
  const auto clock = OwnedPage<page::ClockPage>::create(name);
  ASSERT_TRUE(clock.has_value());
  const auto unready = ForeignPage<page::ClockPage>::open(name);
  ASSERT_FALSE(unready.has_value()) << "not stamped yet";
  EXPECT_NE(unready.error().text.find(name), std::string::npos);
  page::stamp(**clock, 1, 2, 3);
  EXPECT_TRUE(ForeignPage<page::ClockPage>::open(name).has_value());
  const auto as_worker = ForeignPage<page::WorkerPage>::open(name);
  ASSERT_FALSE(as_worker.has_value()) << "a clock page is no worker page";
}

TEST(SharedPage, a_file_that_is_too_short_is_refused_and_not_touched) {
  const std::string name = page_name("short");
  const UniqueFd fd(shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.valid());
  ASSERT_EQ(ftruncate(fd.get(), 64), 0);
  const auto page = ForeignPage<page::ClockPage>::open(name);
  shm_unlink(("/" + name).c_str());
  ASSERT_FALSE(page.has_value());
  EXPECT_NE(page.error().text.find("too short"), std::string::npos) << page.error().text;
}

}  // namespace
}  // namespace gnomon::platform
