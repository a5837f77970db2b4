// SPDX-License-Identifier: Apache-2.0
#include "ptp/offset_source.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace gnomon::ptp {
namespace {

/// Always the same reading.
class FixedSource final : public TimeSource {
 public:
  News poll(time::CycleRate) override {
    Claim claim;
    claim.at = {15};
    claim.reading_ns = 1'000'000;
    claim.terms.source = time::microseconds(3);
    return ClaimOr(claim);
  }
  std::string describe() const override { return "fixed"; }
};

ClaimOr sample(OffsetSource& source) { return *source.poll(time::CycleRate::from_hz(1'000'000'000)); }

class OffsetFile : public testing::Test {
 protected:
  OffsetFile() {
    const char* const base = std::getenv("TMPDIR");
    std::string name = std::string(base == nullptr ? "/tmp" : base) + "/gnomon-offset-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category());
    directory_ = name;
  }
  ~OffsetFile() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  [[nodiscard]] std::filesystem::path file() const { return directory_ / "offset"; }
  void write(std::string_view text) const { std::ofstream(file()) << text; }

 private:
  std::filesystem::path directory_;
};

TEST_F(OffsetFile, ShiftsTheReadingByWhatStandsInTheFileNow) {
  OffsetSource source(std::make_unique<FixedSource>(), offset_from_file(file()));
  EXPECT_EQ(sample(source)->reading_ns, 1'000'000) << "no file: no offset";
  write("-1000000\n");
  EXPECT_EQ(sample(source)->reading_ns, 0);
  write("86400000000000");
  EXPECT_EQ(sample(source)->reading_ns, 86'400'000'000'000 + 1'000'000);
  std::filesystem::remove(file());
  const auto claim = sample(source);
  EXPECT_EQ(claim->reading_ns, 1'000'000);
  EXPECT_EQ(claim->at.count, 15U);
  EXPECT_EQ(claim->terms.sum(), time::microseconds(3));
}

TEST_F(OffsetFile, FailsTheSampleOnGarbage) {
  OffsetSource source(std::make_unique<FixedSource>(), offset_from_file(file()));
  for (const char* text : {"", " \n", "abc", "12x", "1 2", "--1", "+-1", "0x10", "1.5", "9223372036854775808"}) {
    write(text);
    const auto claim = sample(source);
    ASSERT_FALSE(claim) << text;
    EXPECT_EQ(claim.error().fault, SourceFault::kMalformed);
    EXPECT_NE(claim.error().text.find(file().string()), std::string::npos);
  }
  write(std::string(100, '1'));
  EXPECT_EQ(sample(source).error().fault, SourceFault::kMalformed);
  write("+5");
  EXPECT_EQ(sample(source)->reading_ns, 1'000'005) << "and recovers";
}

TEST_F(OffsetFile, SaysWhyTheFileCannotBeRead) {
  OffsetSource source(std::make_unique<FixedSource>(), offset_from_file(file().parent_path()));
  const auto claim = sample(source);  // a directory
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().fault, SourceFault::kUnreadable);
}

TEST(OffsetSource, FollowsAnAtomicAndStaysInRange) {
  auto offset = std::make_shared<std::atomic<std::int64_t>>(7);
  OffsetSource source(std::make_unique<FixedSource>(), offset_from_atomic(offset));
  EXPECT_EQ(sample(source)->reading_ns, 1'000'007);
  offset->store(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(sample(source)->reading_ns, std::numeric_limits<std::int64_t>::max());
  EXPECT_NE(source.describe().find("fixed"), std::string::npos);
}

}  // namespace
}  // namespace gnomon::ptp
