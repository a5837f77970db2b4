// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/contest.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

#include "bench/paired.hpp"

namespace gnomon::bench {
namespace {

constexpr int kWarmUp = 2;  // rounds

}  // namespace

Contest::Contest(std::vector<Contender> contenders, std::vector<Command> commands, std::size_t each)
    : contenders_(std::move(contenders)),
      commands_(std::move(commands)),
      each_(each),
      rows_(contenders_.size(), std::vector<Row>(commands_.size())) {}

void Contest::run(int rounds) {
  std::vector<std::size_t> order(contenders_.size());
  std::iota(order.begin(), order.end(), 0);
  for (int round = -kWarmUp; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random_);
    for (const std::size_t who : order) {
      (void)run_slice(contenders_[who], commands_, 1);
      std::vector<SliceResult> results = run_slice(contenders_[who], commands_, each_);
      if (round < 0) continue;
      for (std::size_t c = 0; c < commands_.size(); ++c) {
        Row& row = rows_[who][c];
        row.us.insert(row.us.end(), results[c].us.begin(), results[c].us.end());
        row.medians.push_back(quantile(results[c].us, 0.5));
        row.per_second.push_back(results[c].per_second);
      }
    }
  }
}

void Contest::report(const std::string& title) {
  fmt::print("\n{}\n", title);
  for (std::size_t c = 0; c < commands_.size(); ++c) {
    fmt::print("{:<44} {:>8} {:>17} {:>8} {:>8} {:>7} {:>13}\n", text_of(commands_[c]), "p50 us", "p10 - p90", "p99",
               "per s", "ratio", "p10 - p90");
    for (std::size_t who = 0; who < contenders_.size(); ++who)
      print(who, c);
  }
  std::fflush(stdout);
}

void Contest::print(std::size_t contender, std::size_t command) {
  Row& row = rows_[contender][command];
  std::vector<double> ratios;
  ratios.reserve(row.medians.size());
  for (std::size_t i = 0; i < row.medians.size(); ++i)
    ratios.push_back(row.medians[i] / rows_.front()[command].medians[i]);
  std::vector<double> rates = row.per_second;
  fmt::print("  {:<42} {:>8.0f} {:>8.0f} - {:<6.0f} {:>8.0f} {:>8.0f} {:>7.2f} {:>6.2f} - {:.2f}\n",
             contenders_[contender].name, quantile(row.us, 0.5), quantile(row.us, 0.1), quantile(row.us, 0.9),
             quantile(row.us, 0.99), quantile(rates, 0.5), quantile(ratios, 0.5), quantile(ratios, 0.1),
             quantile(ratios, 0.9));
}

}  // namespace gnomon::bench
