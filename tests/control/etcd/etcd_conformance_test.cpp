// SPDX-License-Identifier: Apache-2.0
//
// etcd as a store like any other: one member of each version that is to be had here.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control/etcd/etcd_store.hpp"
#include "control/etcd/etcd_url.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/control/store_conformance.hpp"

namespace gnomon::control {
namespace {

class EtcdBench final : public Bench {
 public:
  explicit EtcdBench(const std::string& version) {
    const bed::EtcdOptions options{.version = version};
    if (!bed::EtcdCluster::available(options, &missing_)) return;
    etcd_.emplace(options);
    etcd_->start();
    reopen();
  }
  [[nodiscard]] std::string missing() const override { return missing_; }
  Store& store() override { return *store_; }
  void reopen() override {
    auto address = parse_etcd_url(etcd_->url("conformance"));
    ASSERT_TRUE(address) << address.error();
    EtcdOptions options;
    options.endpoints = std::move(address->endpoints);
    options.prefix = std::move(address->prefix);
    options.deadline = time::seconds(20);
    store_.reset();
    auto opened = EtcdStore::open(std::move(options));
    ASSERT_TRUE(opened) << opened.error().text;
    store_ = std::move(*opened);
  }

 private:
  std::string missing_;
  std::optional<bed::EtcdCluster> etcd_;
  std::unique_ptr<EtcdStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreConformance,
                         testing::Values(Kind{"etcd_3_4", [] { return std::make_unique<EtcdBench>("3.4"); }},
                                         Kind{"etcd_3_5", [] { return std::make_unique<EtcdBench>("3.5"); }}),
                         name_of_kind);

}  // namespace
}  // namespace gnomon::control
