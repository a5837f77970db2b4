// SPDX-License-Identifier: Apache-2.0
#include "platform/durable_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace gnomon::platform {
namespace {

class DurableFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "gnomon-durable-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    path = directory + "/file";
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::string directory;
  std::string path;
};

TEST_F(DurableFile, ReplacesTheWholeContent) {
  ASSERT_TRUE(replace_durably(path, std::string(100'000, 'a')));
  ASSERT_TRUE(replace_durably(path, "short"));
  EXPECT_EQ(**read_file(path, 1000), "short");
  ASSERT_TRUE(replace_durably(path, ""));
  EXPECT_EQ(**read_file(path, 1000), "");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    static_cast<void>(entry);
    ++files;
  }
  EXPECT_EQ(files, 1U) << "nothing is left beside it";
}

TEST_F(DurableFile, TakesAnotherName) {
  ASSERT_TRUE(replace_durably(path, "old"));
  ASSERT_TRUE(replace_durably(path + ".aside", "in the way"));
  ASSERT_TRUE(rename_durably(path, path + ".aside"));
  EXPECT_FALSE(exists(path));
  ASSERT_TRUE(exists(path + ".aside"));
  EXPECT_EQ(**read_file(path + ".aside", 1000), "old");
  const auto refused = rename_durably(path, path + ".aside");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("rename " + path), std::string::npos) << refused.error().text;
}

TEST_F(DurableFile, IsReadableByItsOwnerOnly) {
  ASSERT_TRUE(replace_durably(path, "x"));
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(DurableFile, AbsentIsNotAnError) {
  const auto content = read_file(path, 1000);
  ASSERT_TRUE(content);
  EXPECT_FALSE(content->has_value());
}

TEST_F(DurableFile, LimitIsKept) {
  ASSERT_TRUE(replace_durably(path, std::string(1000, 'x')));
  EXPECT_TRUE(read_file(path, 1000));
  const auto refused = read_file(path, 999);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EFBIG);
}

TEST_F(DurableFile, ErrorsNameTheFile) {
  const std::string nowhere = directory + "/none/file";
  const auto written = replace_durably(nowhere, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ENOENT);
  EXPECT_NE(written.error().text.find(nowhere), std::string::npos) << written.error().text;
  const auto read = read_file(directory, 1000);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, EISDIR);
}

// No room: the old content stays.
TEST_F(DurableFile, FailedReplacementKeepsTheOldContent) {
  ASSERT_TRUE(replace_durably(path, "old"));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{2, 2};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto written = replace_durably(path, "new content");
    _exit(written ? 1 : written.error().code == EFBIG ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child's write must fail with EFBIG";
  EXPECT_EQ(**read_file(path, 1000), "old");
}

}  // namespace
}  // namespace gnomon::platform
