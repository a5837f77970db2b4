// SPDX-License-Identifier: Apache-2.0
//
// What every store must do, whatever it is made of: the tests are in store_conformance.cpp, and a test program of a
// kind of store says INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance, testing::Values(Kind{...}), name_of_kind).
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "control/store.hpp"

namespace gnomon::control {

/// A store under test. `reopen` closes it and opens what is durable of it (in memory: all of it, as it is).
struct Bench {
  virtual ~Bench() = default;
  virtual Store& store() = 0;
  virtual void reopen() = 0;
  /// What this machine lacks for such a store; empty: nothing. Its tests are then skipped.
  [[nodiscard]] virtual std::string missing() const { return {}; }
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Bench>()> make;
};

class StoreConformance : public testing::TestWithParam<Kind> {
 protected:
  StoreConformance() : bench(GetParam().make()) {}
  void SetUp() override {
    if (const std::string missing = bench->missing(); !missing.empty()) GTEST_SKIP() << missing;
  }
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

inline std::string name_of_kind(const testing::TestParamInfo<Kind>& kind) { return kind.param.name; }

}  // namespace gnomon::control
