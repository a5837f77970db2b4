// SPDX-License-Identifier: Apache-2.0
//
// The stores that live in one process. etcd has its own program, for it has to be fetched and started.
#include "tests/control/store_conformance.hpp"

#include <memory>

#include "control/sqlite_store.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/control/temp_directory.hpp"
#include "tests/sim/simulated_store.hpp"

namespace gnomon::control {
namespace {

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

struct SimulatedBench final : Bench {
  Store& store() override { return simulated; }
  void reopen() override {}
  sim::SimulatedStore simulated;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance,
                         testing::Values(Kind{"memory", [] { return std::make_unique<MemoryBench>(); }},
                                         Kind{"sqlite", [] { return std::make_unique<SqliteBench>(); }},
                                         Kind{"simulated", [] { return std::make_unique<SimulatedBench>(); }}),
                         name_of_kind);

}  // namespace
}  // namespace gnomon::control
