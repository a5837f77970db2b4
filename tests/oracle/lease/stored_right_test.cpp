// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/stored_right.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <set>
#include <string>

#include "oracle/lease/last_revision.hpp"
#include "tests/oracle/lease/text_mutations.hpp"

namespace gnomon::lease {
namespace {

const Grant kGrant{"host-7 pid 4711 since 12:00", nonce_of(1), nonce_of(200), 3};
const Window kWindow{{1'000}, {2'000}, {(std::uint64_t{3} << 48) | 17}, WindowState::kReleased, nonce_of(9)};

TEST(StoredRight, TextIsGolden) {
  EXPECT_EQ(encode(kGrant),
            "grant 1 nonce=c8c9cacbcccdcecfd0d1d2d3d4d5d6d7 incarnation=0102030405060708090a0b0c0d0e0f10 epoch=3 "
            "holder=host-7 pid 4711 since 12:00");
  EXPECT_EQ(encode(kWindow),
            "window 1 nonce=090a0b0c0d0e0f101112131415161718 state=released floor=1000 ceiling=2000 "
            "token=844424930131985");
  EXPECT_EQ(grant_key({7}), "right/m/00007/grant");
  EXPECT_EQ(window_key({65535}), "right/m/65535/window");
}

TEST(StoredRight, ReadsBackWhatItWrote) {
  EXPECT_EQ(parse_grant(encode(kGrant)), kGrant);
  EXPECT_EQ(parse_window(encode(kWindow)), kWindow);
  const Window extreme{time::SmearedUtc::min(), time::SmearedUtc::max(), {UINT64_MAX}, WindowState::kHeld, {}};
  EXPECT_EQ(parse_window(encode(extreme)), extreme);
}

TEST(StoredRight, HolderIsMadePrintableAndCut) {
  const auto back = parse_grant(encode(Grant{"a\nb\x80 = c", {}, {}, 1}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->holder, "a?b? = c");
  EXPECT_EQ(parse_grant(encode(Grant{std::string(5000, 'x'), {}, {}, 1}))->holder.size(), TextWriter::kMaxRest);
}

TEST(StoredRight, EachFaultHasItsType) {
  const std::string good = encode(kWindow);
  const auto with = [&](const std::string& from, const std::string& to) {
    return fault_with(good, from, to, parse_window);
  };
  EXPECT_EQ(with("window", "grant"), ValueFault::kOtherKind);
  EXPECT_EQ(with("window 1", "window 2"), ValueFault::kOtherVersion);
  EXPECT_EQ(with("window 1", "window 01"), ValueFault::kOtherVersion);
  EXPECT_EQ(with(" floor=1000", ""), ValueFault::kFieldMissing);
  EXPECT_EQ(with("floor", "Floor"), ValueFault::kFieldMissing);
  EXPECT_EQ(with("floor=1000", "floor=01000"), ValueFault::kMalformed);
  EXPECT_EQ(with("floor=1000", "floor=+1000"), ValueFault::kMalformed);
  EXPECT_EQ(with("floor=1000", "floor="), ValueFault::kMalformed);
  EXPECT_EQ(with("floor=1000", "floor=99999999999999999999"), ValueFault::kOutOfRange);
  EXPECT_EQ(with("floor=1000", "floor=2001"), ValueFault::kOutOfRange) << "the floor lies above the ceiling";
  EXPECT_EQ(with("released", "gone"), ValueFault::kMalformed);
  EXPECT_EQ(with("090a", "090A"), ValueFault::kMalformed) << "one value, one text";
  EXPECT_EQ(with("state", " state"), ValueFault::kFieldMissing);
  EXPECT_EQ(parse_window(good + " ").error(), ValueFault::kTrailing);
  EXPECT_EQ(parse_window("").error(), ValueFault::kOtherKind);
}

TEST(StoredRight, AWordIsOfLettersDigitsAndTwoSigns) {
  const auto word_of = [](const std::string& text) {
    const std::string whole = "thing 1 word=" + text;
    TextReader reader(whole, "thing", 1);
    const std::string word{reader.word("word")};
    return reader.finish() ? word : "";
  };
  EXPECT_EQ(word_of("azbz09-_"), "azbz09-_");
  for (const char beside : std::string("`{/:A@!~\x7f"))
    EXPECT_EQ(word_of(std::string("a") + beside), "") << beside;
  EXPECT_EQ(word_of(""), "");
}

TEST(StoredRight, TheRestIsOfPrintableCharacters) {
  const auto rest_of = [](const std::string& text) {
    TextReader reader(text, "thing", 1);
    const std::string rest{reader.rest("rest")};
    return reader.finish() ? rest : "";
  };
  EXPECT_EQ(rest_of("thing 1 rest= ~"), " ~");
  for (const char beside : std::string("\x1f\x7f\x80\xff\n"))
    EXPECT_EQ(rest_of(std::string("thing 1 rest=a") + beside), "") << int{beside};
  EXPECT_EQ(TextWriter("thing", 1).rest("rest", " ~\x1f\x7f\xff").take(), "thing 1 rest= ~???");
}

TEST(StoredRight, TheFirstFaultIsTheOneThatIsNamed) {
  TextReader reader("thing 1 a=x b=1 c", "thing", 1);
  reader.number("a");
  reader.unsigned_number("b", 0);
  reader.number("d");
  EXPECT_EQ(reader.finish().error(), ValueFault::kMalformed);
}

TEST(StoredRight, EveryTruncationAndBitFlipIsRejectedOrAnotherCanonicalText) {
  expect_canonical_or_rejected(encode(kGrant), parse_grant);
  expect_canonical_or_rejected(encode(kWindow), parse_window);
}

// Whatever bytes come: a typed fault or a value that is written back as it came.
TEST(StoredRight, GarbageIsNeverGuessedAt) {
  expect_no_guesses({encode(kGrant)}, parse_grant);
  expect_no_guesses({encode(kWindow)}, parse_window,
                    [](const Window& window) { ASSERT_LE(window.floor, window.ceiling); });
}

TEST(StoredRight, TokenIsDerivedFromTheGrantUntilItIsStated) {
  EXPECT_EQ(make_token(3, {17}).value, (std::uint64_t{3} << 48) | 17);
  EXPECT_LT(make_token(3, {UINT32_MAX}), make_token(4, {1})) << "a new epoch outranks every revision of the old one";
  StoredRight right{Stored<Grant>{kGrant, {17}}, Stored<Window>{kWindow, {20}}};
  right.window->value.token = {};
  EXPECT_EQ(right.token(), make_token(3, {17}));
  right.window->value.token = {99};
  EXPECT_EQ(right.token(), mint::Token{99});
  right.window->value.token = {};
  right.grant.reset();
  EXPECT_EQ(right.token(), std::nullopt);
  EXPECT_EQ(StoredRight{}.token(), std::nullopt);
}

TEST(ReadRights, PutsContradictionsAside) {
  Window held = kWindow;
  held.state = WindowState::kHeld;
  held.token = {};
  Window stated = held;
  stated.token = make_token(3, {5});
  const std::vector<Entry> entries{
      {grant_key({1}), encode(kGrant), {5}},
      {window_key({1}), encode(held), {5}},  // good, as acquired
      {grant_key({2}), encode(kGrant), {5}},
      {window_key({2}), encode(stated), {9}},  // good, extended
      {grant_key({3}), encode(kGrant), {6}},
      {window_key({3}), encode(held), {7}},  // not written together
      {grant_key({4}), encode(kGrant), {6}},
      {window_key({4}), encode(stated), {9}},   // another grant's token
      {grant_key({5}), encode(kGrant), {6}},    // no window
      {window_key({6}), encode(held), {6}},     // held by nobody
      {window_key({7}), encode(kWindow), {6}},  // good: released needs no grant
      {grant_key({8}), "grant 2 from the future", {6}},
      {grant_key({10}), encode(kGrant), {kLastRevision.value + 1}},  // no token has room for that
      {window_key({10}), encode(held), {kLastRevision.value + 1}},
      {"right/m/00009/history", "something else", {6}},
      {"right/m/99999/window", encode(held), {6}},
      {"right/m/0001/window", encode(held), {6}},
      {"right/t/00001", "not of a machine", {6}},
      {"left/m/00011/window", encode(held), {6}},
      {"right/m/0001x/window", encode(held), {6}},
      {"right/m/x0001/window", encode(held), {6}},
      {"right/m/1/window", encode(held), {6}},
      {"right/m/12", encode(held), {6}},
      {"right/m/", encode(held), {6}},
      {"right/m/65536/window", encode(held), {6}},
      {grant_key({65535}), encode(kGrant), {5}},
      {window_key({65535}), encode(held), {5}},  // good: the last there is
  };
  const RightTable table = read_rights(entries);
  for (const std::uint16_t good : std::array<std::uint16_t, 4>{1, 2, 7, 65535})
    EXPECT_NE(table.find({good}), nullptr) << good;
  for (const std::uint16_t bad : std::array<std::uint16_t, 6>{3, 4, 5, 6, 8, 10})
    EXPECT_EQ(table.find({bad}), nullptr) << bad;
  std::set<std::uint16_t> unreadable;
  for (const Unreadable& fault : table.unreadable)
    unreadable.insert(fault.machine.value);
  EXPECT_EQ(unreadable, (std::set<std::uint16_t>{3, 4, 5, 6, 8, 10}));
  EXPECT_EQ(table.rights.size(), 5U) << "the good ones and 9, of which nothing is known";
}

TEST(ReadRights, SaysWhatIsWrongWithAnEntry) {
  const std::vector<Entry> entries{{window_key({1}), encode(kWindow) + " ", {6}}, {grant_key({2}), "grant 1", {6}}};
  const RightTable table = read_rights(entries);
  ASSERT_EQ(table.unreadable.size(), 2U);
  EXPECT_EQ(table.unreadable[0].text, window_key({1}) + ": " + std::string(text_of(ValueFault::kTrailing)));
  EXPECT_EQ(table.unreadable[1].text, grant_key({2}) + ": " + std::string(text_of(ValueFault::kFieldMissing)));
}

TEST(ReadRights, TheLastRevisionThatATokenHasRoomForIsOne) {
  Window held = kWindow;
  held.state = WindowState::kHeld;
  held.token = {};
  const std::vector<Entry> entries{{grant_key({1}), encode(kGrant), kLastRevision},
                                   {window_key({1}), encode(held), kLastRevision}};
  EXPECT_NE(read_rights(entries).find({1}), nullptr);
}

}  // namespace
}  // namespace gnomon::lease
