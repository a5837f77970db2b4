// SPDX-License-Identifier: Apache-2.0
//
// What every store must do, whatever it is made of. A new store joins by one line in `kinds`.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "control/sqlite_store.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

/// A store under test. `reopen` closes it and opens what is durable of it (in memory: all of it, as it is).
struct Bench {
  virtual ~Bench() = default;
  virtual Store& store() = 0;
  virtual void reopen() = 0;
};

struct MemoryBench final : Bench {
  Store& store() override { return memory; }
  void reopen() override {}
  MemoryStore memory;
};

struct SqliteBench final : Bench {
  SqliteBench() {
    EXPECT_TRUE(SqliteStore::create(directory.file("db"), {}, {0}));
    reopen();
  }
  Store& store() override { return *sqlite; }
  void reopen() override {
    sqlite.reset();
    auto opened = SqliteStore::open(directory.file("db"));
    EXPECT_TRUE(opened) << opened.error().text;
    sqlite = std::move(*opened);
  }
  TempDirectory directory;
  std::unique_ptr<SqliteStore> sqlite;
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Bench>()> make;
};

class StoreConformance : public testing::TestWithParam<Kind> {
 protected:
  StoreConformance() : bench(GetParam().make()) {}
  Store& store() { return bench->store(); }
  Revision put(const std::string& key, const std::string& value) {
    const auto revision = store().commit({{}, {{key, value}}, {}});
    EXPECT_TRUE(revision);
    return revision.value_or(Revision{});
  }
  std::string value_of(const std::string& key) {
    const auto entry = store().get(key);
    EXPECT_TRUE(entry);
    return *entry ? (*entry)->value : "(absent)";
  }
  std::unique_ptr<Bench> bench;
};

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

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance,
                         testing::Values(Kind{"memory", [] { return std::make_unique<MemoryBench>(); }},
                                         Kind{"sqlite", [] { return std::make_unique<SqliteBench>(); }}),
                         [](const auto& kind) { return std::string(kind.param.name); });

}  // namespace
}  // namespace gnomon::control
