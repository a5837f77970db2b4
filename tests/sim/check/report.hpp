// SPDX-License-Identifier: Apache-2.0
//
// Where checkers say that a promise was broken. The first violation ends a world: what follows it proves nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gnomon::sim {

struct Violation {
  std::string_view promise;  // name of the checker
  std::string text;
};

class Report {
 public:
  void fail(std::string_view promise, std::string text) {
    if (!first_) first_ = Violation{promise, std::move(text)};
  }
  [[nodiscard]] const std::optional<Violation>& first() const { return first_; }

 private:
  std::optional<Violation> first_;
};

}  // namespace gnomon::sim
