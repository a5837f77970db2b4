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

// What a program wrote that knew nothing of lineages, byte for byte: read, and written the same.
TEST(Journal, OfOneHostKeepsItsText) {
  const std::string text =
      "journal 1 store=01010101010101010101010101010101 epoch=3 highest=42 rights=1\n"
      "right 1 machine=0 modified=40 nonce=02020202020202020202020202020202 ceiling=1000\n"
      "checksum 1 value=41c7cfd9aa35a9b0b8994f41343863b4\n";
  const JournalContent content{nonce_of(1), 3, {42}, {{{0}, {{0}, {40}, nonce_of(2), {1'000}}}}};
  EXPECT_EQ(parse_journal(text), content);
  EXPECT_EQ(encode_journal(content), text);
}

TEST(Journal, OfASharedStoreHasALineage) {
  JournalContent content = sample();
  content.lineage = nonce_of(7);
  const std::string text = encode_journal(content);
  EXPECT_TRUE(
      text.starts_with("journal 2 store=01010101010101010101010101010101 "
                       "lineage=07070707070707070707070707070707 epoch=3 "))
      << text;
  EXPECT_EQ(parse_journal(text), content);
}

void expect_every_change_is_noticed(const JournalContent& content) {
  const std::string good = encode_journal(content);
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

TEST(Journal, EveryFlippedBitAndEveryCutIsNoticed) {
  expect_every_change_is_noticed(sample());
  JournalContent shared = sample();
  shared.lineage = nonce_of(7);
  expect_every_change_is_noticed(shared);
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

class SharedContinuity : public Continuity {
 protected:
  SharedContinuity() { meta.identity.machine = journal.lineage = nonce_of(5); }
  tl::expected<control::Continuity, Discontinuity> judge(Revision at = {42}, Revision modified = {40}) {
    return judge_continuity(journal, meta, {at, {{lease::window_key({0}), lease::encode(window), modified}}});
  }
  StateError refusal() {
    const auto checked =
        check_continuity(journal, meta, {{42}, {{lease::window_key({0}), lease::encode(window), {40}}}});
    EXPECT_FALSE(checked);
    return checked ? StateError{} : checked.error();
  }
};

TEST_F(SharedContinuity, SameLineageIsJudgedLikeALocalStore) {
  EXPECT_EQ(judge(), control::Continuity::kContinued);
  EXPECT_EQ(judge({41}).error().kind, Discontinuity::Kind::kWentBack);
  EXPECT_EQ(judge({42}, {39}).error().kind, Discontinuity::Kind::kWentBack);
  meta.identity.epoch = 2;
  EXPECT_EQ(judge().error().kind, Discontinuity::Kind::kWentBack);
  EXPECT_EQ(refusal().kind, StateErrorKind::kWentBack);
  EXPECT_NE(refusal().text.find("gnomon control recover"), std::string::npos);
}

TEST_F(SharedContinuity, LaterEpochStartsAnewWhateverIsMissing) {
  meta.identity.epoch = 4;
  meta.identity.machine = nonce_of(6);
  EXPECT_EQ(judge({7}, {3}), control::Continuity::kRecovered);
}

TEST_F(SharedContinuity, SameEpochOfAnotherLineageIsRefused) {
  meta.identity.machine = nonce_of(6);
  EXPECT_EQ(judge().error().kind, Discontinuity::Kind::kOtherLineage);
  EXPECT_EQ(refusal().kind, StateErrorKind::kWentBack);
  EXPECT_NE(refusal().text.find("once more"), std::string::npos) << refusal().text;
}

TEST_F(SharedContinuity, AnotherClusterHasASentenceOfItsOwn) {
  meta.identity.id = nonce_of(9);
  meta.identity.epoch = 9;
  EXPECT_EQ(judge().error().kind, Discontinuity::Kind::kOtherStore);
  EXPECT_EQ(refusal().kind, StateErrorKind::kOtherStore);
  EXPECT_NE(refusal().text.find("gnomon control adopt"), std::string::npos) << refusal().text;
}

TEST_F(SharedContinuity, WindowOfANewerProgramIsNoLoss) {
  const Listing newer{{50}, {{lease::window_key({0}), "window 2 of a later day", {45}}}};
  EXPECT_EQ(judge_continuity(journal, meta, newer), control::Continuity::kContinued);
  const Listing same{{50}, {{lease::window_key({0}), "window 2 of a later day", {40}}}};
  EXPECT_FALSE(judge_continuity(journal, meta, same)) << "that is the revision of our own write";
  journal.lineage = {};
  meta.identity.machine = {};
  EXPECT_FALSE(judge_continuity(journal, meta, newer)) << "on one host nobody else writes";
}

}  // namespace
}  // namespace gnomon::control
