// SPDX-License-Identifier: Apache-2.0
//
// Times, networks, keys, suggestions and JSON: the texts that cross the border between people and programs.
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "cmd/text/cidr.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/key_file.hpp"
#include "cmd/text/rfc3339.hpp"
#include "cmd/text/suggest.hpp"
#include "cmd/text/wrap.hpp"
#include "platform/endpoint.hpp"
#include "tests/cmd/json_check.hpp"

namespace gnomon::cmd {
namespace {

TEST(Rfc3339, PrintsAsManyDigitsAsTheValueNeeds) {
  EXPECT_EQ(rfc3339({0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339({1'704'067'200'100'000'000}), "2024-01-01T00:00:00.100Z");
  EXPECT_EQ(rfc3339({1'704'067'200'000'001'000}), "2024-01-01T00:00:00.000001Z");
  EXPECT_EQ(rfc3339({1'709'164'800'000'000'001}), "2024-02-29T00:00:00.000000001Z");
  EXPECT_EQ(rfc3339({-1}), "1969-12-31T23:59:59.999999999Z");
}

TEST(Rfc3339, ReadsBackWhatItPrints) {
  for (const std::int64_t ns : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1'704'067'200'100'000'000},
                                std::int64_t{4'102'444'799'999'999'999}, std::int64_t{9'214'646'399'999'999'999}}) {
    const auto back = parse_rfc3339(rfc3339({ns}));
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(back->ns, ns);
  }
}

TEST(Rfc3339, ReadsDatesOffsetsAndFractions) {
  EXPECT_EQ(parse_rfc3339("2024-01-01")->ns, 1'704'067'200'000'000'000);
  EXPECT_EQ(parse_rfc3339("2024-01-01T02:00:00+02:00")->ns, 1'704'067'200'000'000'000);
  EXPECT_EQ(parse_rfc3339("2023-12-31t19:30:00.5-04:30")->ns, 1'704'067'200'500'000'000);
  EXPECT_EQ(parse_rfc3339("2024-01-01 00:00:00Z")->ns, 1'704'067'200'000'000'000);
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const std::string_view text :
       {"", "2024", "2024-13-01", "2023-02-29", "2024-01-01T", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.1234567890Z", "1969-12-31", "2262-01-01",
        "2024-01-01T00:00:00Zx", "2024-01-01T00:00:00+2:00", "+024-01-01"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

TEST(Durations, AreANumberAndAUnit) {
  EXPECT_EQ(parse_duration("250us")->ns, 250'000);
  EXPECT_EQ(parse_duration("7d")->ns, 604'800'000'000'000);
  for (const std::string_view text : {"", "5", "ms", "-1s", "1.5s", "1 s", "999999999999d"})
    EXPECT_FALSE(parse_duration(text)) << text;
  EXPECT_EQ(parse_time("now-1h", {7'200'000'000'000})->ns, 3'600'000'000'000);
  EXPECT_EQ(parse_time("now", {5})->ns, 5);
  EXPECT_FALSE(parse_time("now1h", {5}));
  EXPECT_EQ(human_duration(time::seconds(90'061)), "1d 1h");
  EXPECT_EQ(human_duration(time::microseconds(1'500)), "1.500ms");
  EXPECT_EQ(rfc3339(time::SmearedUtc::min()), "1677-09-22T00:00:00Z") << "the first whole day";
  EXPECT_EQ(human_duration({std::numeric_limits<std::int64_t>::min()}), "-292.3y");
}

TEST(Networks, AreCheckedAndKeptAsV6) {
  const auto ten = parse_cidr("10.0.0.0/8");
  ASSERT_TRUE(ten) << ten.error();
  EXPECT_EQ(ten->prefix_bits, 104);
  EXPECT_TRUE(ten->contains(*platform::parse_address("10.255.1.2")));
  EXPECT_FALSE(ten->contains(*platform::parse_address("11.0.0.0")));
  EXPECT_EQ(parse_cidr("::1")->prefix_bits, 128);
  EXPECT_EQ(parse_cidr("192.0.2.7")->prefix_bits, 128);
  EXPECT_EQ(parse_cidr("::/0")->prefix_bits, 0);
  for (const std::string_view text :
       {"", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "example.org", "10.0.0.0/", "10.0.0.0/8x", "/8"})
    EXPECT_FALSE(parse_cidr(text)) << text;
  const std::string mapped = parse_cidr("::ffff:10.0.0.1/104").error();
  EXPECT_TRUE(mapped.ends_with("write 10.0.0.0/8")) << mapped;
}

TEST(Suggestions, AreCloseOrAbsent) {
  static constexpr std::array<std::string_view, 3> kWords{"count", "cpus", "ids_per_worker"};
  EXPECT_EQ(closest("cuont", kWords), "count");
  EXPECT_EQ(closest("cpu", kWords), "cpus");
  EXPECT_EQ(closest("ids_per_wroker", kWords), "ids_per_worker");
  EXPECT_EQ(closest("zebra", kWords), "");
  EXPECT_EQ(did_you_mean("zebra", kWords), "");
}

TEST(Keys, AreReadWithCommentsAndRefusedWithTheirLine) {
  const auto keys =
      parse_keys("# two\n\n1 00112233445566778899aabbccddeeff\n65535\tFFeeddccbbaa99887766554433221100 # old\n", "k");
  ASSERT_TRUE(keys) << keys.error();
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ((*keys)[0].bytes[1], 0x11);
  EXPECT_EQ((*keys)[1].id.value, 65535);
  for (const std::string_view line : {"0 00112233445566778899aabbccddeeff", "65536 00112233445566778899aabbccddeeff",
                                      "1 00112233445566778899aabbccddeef", "1 00112233445566778899aabbccddeefg", "1",
                                      "1 00112233445566778899aabbccddeeff00", "x 00112233445566778899aabbccddeeff"}) {
    const auto refused = parse_keys("\n" + std::string(line) + "\n", "k");
    ASSERT_FALSE(refused) << line;
    EXPECT_EQ(refused.error().rfind("k:2: ", 0), 0U) << refused.error();
    EXPECT_EQ(refused.error().find("33445566"), std::string::npos) << "a secret is not repeated";
  }
  EXPECT_EQ(parse_keys("3 00112233445566778899aabbccddeeff\n3 00112233445566778899aabbccddeeff\n", "k").error(),
            "k:2: key id 3 is there twice");
}

TEST(Wrapped, BreaksAtBlanksAndIndents) {
  EXPECT_EQ(wrapped("", 10, "- ", "  "), "");
  EXPECT_EQ(wrapped("one two", 9, "- ", "  "), "- one two\n") << "it fits exactly";
  EXPECT_EQ(wrapped("one two", 8, "- ", "  "), "- one\n  two\n");
  EXPECT_EQ(wrapped("one two three", 10, "- ", "    "), "- one two\n    three\n");
  EXPECT_EQ(wrapped("a tremendous word", 6, "", "> "), "a\n> tremendous\n> word\n") << "a long word has its line";
  EXPECT_EQ(wrapped("a b", 1, "....", "...."), "....a\n....b\n") << "an indent wider than the line";
}

TEST(Json, IsValidWhateverIsWritten) {
  JsonWriter json;
  json.begin_object().key("quote\"\\").text(std::string_view("a\nb\t\x01\x7f\"\0c", 9));
  json.key("list")
      .begin_array()
      .number(-1)
      .number(1.5)
      .number(std::numeric_limits<double>::infinity())
      .boolean(false)
      .null();
  json.begin_array().end_array().begin_object().end_object().end_array();
  json.key("big").number(std::numeric_limits<std::uint64_t>::max()).end_object();
  EXPECT_TRUE(JsonCheck::valid(json.str())) << json.str();
  EXPECT_EQ(
      json.str(),
      R"({"quote\"\\":"a\nb\t\u0001\u007f\"\u0000c","list":[-1,1.5,null,false,null,[],{}],"big":18446744073709551615})");
  for (const std::string_view bad : {"", "{", "{}x", "[1,]", "{\"a\"}", "01", "\"\n\"", "nul", "[1 2]"})
    EXPECT_FALSE(JsonCheck::valid(bad)) << bad;
}

}  // namespace
}  // namespace gnomon::cmd
