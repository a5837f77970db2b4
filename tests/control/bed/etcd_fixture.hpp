// SPDX-License-Identifier: Apache-2.0
//
// What tests on etcd clusters begin with: a case for each version that is to be had, skipped in plain sight where it
// can't be.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/control/bed/etcd_cluster.hpp"

namespace gnomon::bed {

inline constexpr const char* kVersions[] = {"3.4", "3.5"};

/// For INSTANTIATE_TEST_SUITE_P: V34, V35.
inline std::string version_name(const testing::TestParamInfo<const char*>& tested) {
  return std::string(tested.param) == "3.4" ? "V34" : "V35";
}

/// Its parameter is the version.
class Etcd : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { skip_unless_available({.version = GetParam()}); }

  void skip_unless_available(const EtcdOptions& options) {
    std::string why;
    if (!EtcdCluster::available(options, &why)) GTEST_SKIP() << why;
  }

  EtcdCluster& start(EtcdOptions options) {
    options.version = GetParam();
    clusters_.push_back(std::make_unique<EtcdCluster>(std::move(options)));
    clusters_.back()->start();
    return *clusters_.back();
  }

  std::vector<std::unique_ptr<EtcdCluster>> clusters_;
};

}  // namespace gnomon::bed
