// SPDX-License-Identifier: Apache-2.0
#include "control/journal.hpp"

#include <gtest/gtest.h>

#include "platform/durable_file.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

Nonce nonce_of(std::uint8_t seed) {
  Nonce nonce{};
  nonce.fill(seed);
  return nonce;
}

JournalContent sample() {
  JournalContent content{nonce_of(1), 3, {42}, {}};
  content.rights[{0}] = {{0}, {40}, nonce_of(2), {1'000}};
  content.rights[{65535}] = {{65535}, {42}, nonce_of(3), {-5}};
  return content;
}

TEST(Journal, ReadsBackWhatItWrote) {
  EXPECT_EQ(parse_journal(encode_journal(sample())), sample());
  EXPECT_EQ(parse_journal(encode_journal(JournalContent{})), JournalContent{});
}

TEST(Journal, EveryFlippedBitAndEveryCutIsNoticed) {
  const std::string good = encode_journal(sample());
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_journal(good.substr(0, size))) << size;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = good;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      EXPECT_FALSE(parse_journal(flipped)) << "byte " << at << " bit " << bit;
    }
  }
  EXPECT_FALSE(parse_journal(good + "\n"));
  EXPECT_FALSE(parse_journal(good + good));
}

TEST(Journal, MergesAndIsThereAfterLoading) {
  const TempDirectory directory;
  const std::string path = directory.file("journal");
  EXPECT_FALSE(Journal::load(path)->has_value());
  auto journal = Journal::create(path, sample());
  ASSERT_TRUE(journal);
  const JournalRight seven{{7}, {50}, nonce_of(9), {9'000}};
  ASSERT_TRUE(journal->merge({50}, std::span(&seven, 1)));
  ASSERT_TRUE(journal->merge({49}, {})) << "highest never falls";
  JournalContent expected = sample();
  expected.highest = {50};
  expected.rights[{7}] = seven;
  EXPECT_EQ((*Journal::load(path))->content(), expected);
}

TEST(Journal, DamagedFileSaysWhatToDo) {
  const TempDirectory directory;
  const std::string path = directory.file("journal");
  ASSERT_TRUE(platform::replace_durably(path, "journal 1 of something else\n"));
  const auto journal = Journal::load(path);
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().kind, StateErrorKind::kDamaged);
  EXPECT_NE(journal.error().text.find(path), std::string::npos);
  EXPECT_NE(journal.error().text.find("gnomon control recover"), std::string::npos);
}

class Continuity : public testing::Test {
 protected:
  Continuity() {
    meta.identity = {nonce_of(1), {}, 3};
    window.ceiling = {1'000};
    window.nonce = nonce_of(2);
    window.state = lease::WindowState::kReleased;
    journal = {nonce_of(1), 3, {42}, {{{0}, {{0}, {40}, nonce_of(2), {1'000}}}}};
  }
  bool continues(Revision at = {42}, Revision modified = {40}) {
    const Listing listing{at, {{lease::window_key({0}), lease::encode(window), modified}}};
    const auto checked = check_continuity(journal, meta, listing);
    if (!checked) {
      EXPECT_EQ(checked.error().kind, StateErrorKind::kWentBack);
      EXPECT_NE(checked.error().text.find("gnomon control recover"), std::string::npos);
    }
    return checked.has_value();
  }
  StoreMeta meta;
  lease::Window window;
  JournalContent journal;
};

TEST_F(Continuity, SameOrAheadIsFine) {
  EXPECT_TRUE(continues());
  window.nonce = nonce_of(77);
  window.ceiling = {2'000};
  EXPECT_TRUE(continues({43}, {43})) << "a commit that was not journaled before the crash";
}

TEST_F(Continuity, AnotherStore) {
  meta.identity.id = nonce_of(9);
  EXPECT_FALSE(continues());
}
TEST_F(Continuity, OlderEpoch) {
  meta.identity.epoch = 2;
  EXPECT_FALSE(continues());
}
TEST_F(Continuity, OlderRevision) { EXPECT_FALSE(continues({41})); }
TEST_F(Continuity, OlderWindow) { EXPECT_FALSE(continues({42}, {39})); }
TEST_F(Continuity, SameRevisionOtherNonce) {
  window.nonce = nonce_of(8);
  EXPECT_FALSE(continues());
}
TEST_F(Continuity, SameRevisionOtherCeiling) {
  window.ceiling = {999};
  EXPECT_FALSE(continues());
}
TEST_F(Continuity, MissingWindow) {
  journal.rights[{5}] = {{5}, {1}, nonce_of(1), {1}};
  EXPECT_FALSE(continues());
}

}  // namespace
}  // namespace gnomon::control
