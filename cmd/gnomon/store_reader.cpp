// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/store_reader.hpp"

#include <chrono>
#include <utility>

#include "cmd/gnomon/etcd_access.hpp"
#include "cmd/gnomon/status_socket.hpp"
#include "control/service/status_client.hpp"

namespace gnomon::cmd {
namespace {

constexpr auto kStatusLimit = std::chrono::milliseconds(2000);
constexpr auto kListLimit = std::chrono::milliseconds(10'000);  // a long history of a busy store takes its time

ReadFailure failure_of(const control::StatusFetchError& error) {
  return {error.unreachable ? ExitCode::kUnreachable : ExitCode::kRefused, error.text};
}

class SocketReader final : public StoreReader {
 public:
  SocketReader(std::string socket, std::string url) : socket_(std::move(socket)), url_(std::move(url)) {}

  ReadOr<control::Listing> list(std::string_view prefix) override {
    auto listing = control::fetch_listing(socket_, prefix, kListLimit);
    if (!listing) return tl::make_unexpected(failure_of(listing.error()));
    return std::move(*listing);
  }
  [[nodiscard]] std::string source() const override { return "gnomond on " + socket_; }
  [[nodiscard]] std::string url() const override { return url_; }

 private:
  std::string socket_;
  std::string url_;
};

class DirectReader final : public StoreReader {
 public:
  DirectReader(std::unique_ptr<control::Store> store, std::string url)
      : store_(std::move(store)), url_(std::move(url)) {}

  ReadOr<control::Listing> list(std::string_view prefix) override {
    auto listing = store_->list(prefix);
    if (!listing) return tl::make_unexpected(cmd::failure_of(listing.error()));
    return std::move(*listing);
  }
  [[nodiscard]] std::string source() const override { return "the store itself"; }
  [[nodiscard]] std::string url() const override { return url_; }

 private:
  std::unique_ptr<control::Store> store_;
  std::string url_;
};

ReadOr<std::unique_ptr<StoreReader>> open_direct(const StorePlace& place) {
  const auto settings = settings_of(place);
  if (!settings) return tl::make_unexpected(settings.error());
  auto store = open_etcd(*settings);
  if (!store) return tl::make_unexpected(store.error());
  return std::make_unique<DirectReader>(std::move(*store), settings->store.url);
}

}  // namespace

ReadOr<std::unique_ptr<StoreReader>> open_reader(const StorePlace& place) {
  if (asks_directly(place)) return open_direct(place);
  const auto socket = status_socket(place.instance, place.socket);
  if (!socket) return tl::make_unexpected(ReadFailure{ExitCode::kUsage, socket.error()});
  const auto status = control::fetch_status(*socket, kStatusLimit);
  if (!status) {
    ReadFailure failure = failure_of(status.error());
    failure.text += "; without a daemon here, --direct asks the etcd of the configuration";
    return tl::make_unexpected(std::move(failure));
  }
  return std::make_unique<SocketReader>(*socket, status->daemon.store_url);
}

}  // namespace gnomon::cmd
