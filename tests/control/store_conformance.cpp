// SPDX-License-Identifier: Apache-2.0
#include "tests/control/store_conformance.hpp"

#include <cstddef>
#include <vector>

namespace gnomon::control {
namespace {

TEST_P(StoreConformance, EmptyAtFirst) {
  EXPECT_FALSE(store().get("a")->has_value());
  EXPECT_TRUE(store().list("")->entries.empty());
}

TEST_P(StoreConformance, RevisionsGrowByEveryCommit) {
  const Revision first = put("a", "1");
  const Revision second = put("b", "1");
  EXPECT_GT(first, Revision{});
  EXPECT_GT(second, first);
  EXPECT_EQ((*store().get("a"))->modified, first);
  EXPECT_GE(store().list("")->at, second);
  EXPECT_GT(put("a", "1"), second) << "also by a commit that changes no value";
}

TEST_P(StoreConformance, AllPutsOfACommitGetItsRevision) {
  const auto revision = store().commit({{}, {{"a", "1"}, {"b", "2"}}, {}});
  ASSERT_TRUE(revision);
  EXPECT_EQ((*store().get("a"))->modified, *revision);
  EXPECT_EQ((*store().get("b"))->modified, *revision);
}

TEST_P(StoreConformance, FailedCompareWritesNothing) {
  const Revision a = put("a", "1");
  const Revision b = put("b", "1");
  for (const Compare& wrong : {Compare{"a", {}}, Compare{"a", b}, Compare{"none", a}}) {
    const auto refused = store().commit({{{"b", b}, wrong}, {{"b", "2"}, {"c", "2"}}, {"a"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, StoreErrorKind::kConflict);
  }
  EXPECT_EQ(value_of("a"), "1");
  EXPECT_EQ(value_of("b"), "1");
  EXPECT_EQ(value_of("c"), "(absent)");
  EXPECT_GT(put("d", "1"), b) << "a conflict is not an end";
}

TEST_P(StoreConformance, ComparesLetThrough) {
  const Revision a = put("a", "1");
  ASSERT_TRUE(store().commit({{{"a", a}, {"none", {}}}, {{"a", "2"}}, {}}));
  EXPECT_EQ(value_of("a"), "2");
  EXPECT_FALSE(store().commit({{{"a", a}}, {{"a", "3"}}, {}})) << "the revision has moved on";
}

TEST_P(StoreConformance, DeletedKeysAreAbsentForCompares) {
  const Revision a = put("a", "1");
  ASSERT_TRUE(store().commit({{{"a", a}}, {}, {"a", "never there"}}));
  EXPECT_EQ(value_of("a"), "(absent)");
  ASSERT_TRUE(store().commit({{{"a", {}}}, {{"a", "again"}}, {}}));
  EXPECT_GT((*store().get("a"))->modified, a);
}

TEST_P(StoreConformance, ListsOnePrefixInOrder) {
  for (const char* key : {"right/m/2", "right/m/10", "right", "righu", "right/", "rig", "layout/1", "right/m/1"})
    put(key, key);
  const auto listing = store().list("right/");
  ASSERT_TRUE(listing);
  std::vector<std::string> keys;
  for (const Entry& entry : listing->entries)
    keys.push_back(entry.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"right/", "right/m/1", "right/m/10", "right/m/2"}));
  EXPECT_EQ(store().list("")->entries.size(), 8U);
  EXPECT_TRUE(store().list("zzz")->entries.empty());
}

TEST_P(StoreConformance, ValuesComeBackByteForByte) {
  std::string all;
  for (int c = 1; c < 128; ++c)
    all += static_cast<char>(c);
  const std::string umlaut = "gr\xc3\xbc\xc3\x9f'\"; DROP TABLE entries; --%_";
  put("all", all);
  put(umlaut, umlaut);
  put("empty", "");
  put("long", std::string(1 << 20, 'x'));
  EXPECT_EQ(value_of("all"), all);
  EXPECT_EQ(value_of(umlaut), umlaut);
  EXPECT_EQ(value_of("empty"), "");
  EXPECT_EQ(value_of("long").size(), std::size_t{1} << 20);
}

TEST_P(StoreConformance, WhatWasAcknowledgedIsThereAfterReopening) {
  put("gone", "x");
  for (int i = 0; i < 200; ++i)
    put("key" + std::to_string(i % 50), std::to_string(i));
  ASSERT_TRUE(store().commit({{}, {}, {"gone"}}));
  const auto before = store().list("");
  ASSERT_TRUE(before);
  bench->reopen();
  EXPECT_EQ(*store().list(""), *before);
  EXPECT_GT(put("next", "1"), before->at) << "revisions go on where they were";
}

// ---- watches

/// Everything that the watch tells until it has told of revision `through`; asks a bounded number of times.
Changes told_through(Watch& watch, Revision through) {
  Changes all;
  for (int i = 0; i < 100 && all.through < through; ++i) {
    const auto some = watch.next(time::milliseconds(100));
    if (!some) continue;
    all.changes.insert(all.changes.end(), some->changes.begin(), some->changes.end());
    all.through = some->through;
    all.gap = all.gap || some->gap;
  }
  return all;
}

TEST_P(StoreConformance, AWatchTellsEachChangeOnceAndInOrder) {
  const Revision start = put("watched/a", "0");
  const auto watch = store().watch("watched/", start);
  const Revision first = put("watched/a", "1");
  put("other", "x");
  const auto both = store().commit({{}, {{"watched/b", "1"}, {"other", "y"}}, {"watched/a"}});
  ASSERT_TRUE(both);
  const Revision last = put("watched/a", "2");
  const Changes told = told_through(*watch, last);
  EXPECT_FALSE(told.gap);
  ASSERT_EQ(told.changes.size(), 4U);
  EXPECT_EQ(told.changes[0], (Change{{"watched/a", "1", first}, false}));
  for (const std::size_t i : {1U, 2U}) {  // of one commit: in any order
    const Change& change = told.changes[i];
    EXPECT_EQ(change.entry.modified, *both);
    EXPECT_EQ(change.deleted, change.entry.key == "watched/a");
    EXPECT_EQ(change.entry.value, change.deleted ? "" : "1");
  }
  EXPECT_NE(told.changes[1].entry.key, told.changes[2].entry.key);
  EXPECT_EQ(told.changes[3], (Change{{"watched/a", "2", last}, false}));
  const auto more = watch->next(time::milliseconds(20));
  if (more) {
    EXPECT_TRUE(more->changes.empty()) << "each once";
  }
}

TEST_P(StoreConformance, AWatchGoesBackToWhereItIsTold) {
  const Revision start = put("a", "0");
  Revision last;
  for (int i = 0; i < 50; ++i)
    last = put("a", std::to_string(i));
  const auto watch = store().watch("a", start);
  const Changes told = told_through(*watch, last);
  ASSERT_EQ(told.changes.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i)
    EXPECT_EQ(told.changes[i].entry.value, std::to_string(i));
}

TEST_P(StoreConformance, TwoWatchesAreToldTheSame) {
  const Revision start = put("a", "0");
  const auto one = store().watch("", start);
  const auto two = store().watch("", start);
  const Revision last = put("b", "1");
  EXPECT_EQ(told_through(*one, last).changes, told_through(*two, last).changes);
}

TEST_P(StoreConformance, AWatchCanBeDroppedAtAnyTime) {
  const Revision start = put("a", "0");
  {
    const auto watch = store().watch("", start);
  }
  const auto watch = store().watch("", start);
  static_cast<void>(watch->next(time::milliseconds(1)));
  put("a", "1");
}

}  // namespace
}  // namespace gnomon::control
