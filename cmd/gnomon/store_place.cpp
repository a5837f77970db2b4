// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/store_place.hpp"

#include <algorithm>
#include <utility>

namespace gnomon::cmd {
namespace {

std::string lines(const Problems& problems) {
  std::string text;
  for (const std::string& problem : problems)
    text += (text.empty() ? "" : "\n") + problem;
  return text;
}

}  // namespace

bool is_etcd(std::string_view store_url) { return store_url.starts_with("etcd:"); }

bool asks_directly(const StorePlace& place) {
  const auto row = find_option("store", "url");
  const bool named =
      std::any_of(place.flags.begin(), place.flags.end(), [&](const FlagText& flag) { return flag.row == row; });
  return place.direct || place.store || named;
}

ReadOr<Configuration> configuration_of(const StorePlace& place) {
  std::vector<FlagText> flags = place.flags;
  if (place.store) flags.push_back({find_option("store", "url").value_or(0), *place.store});
  if (place.instance) flags.push_back({find_option("server", "instance").value_or(0), *place.instance});
  const auto sources = gather(place.config, std::move(flags));
  auto configuration = sources ? resolve(*sources) : tl::make_unexpected(sources.error());
  if (!configuration) return tl::make_unexpected(ReadFailure{ExitCode::kUsage, lines(configuration.error())});
  return std::move(*configuration);
}

ReadOr<Settings> settings_of(const StorePlace& place) {
  return configuration_of(place).map([](const Configuration& configuration) { return configuration.settings; });
}

}  // namespace gnomon::cmd
