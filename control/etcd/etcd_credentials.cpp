// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_credentials.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <optional>
#include <utility>

#include "platform/durable_file.hpp"

namespace gnomon::control {
namespace {

constexpr std::size_t kMaxPemBytes = 1024 * 1024;

std::int64_t ns_of(const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

tl::unexpected<StoreError> refused(std::string text) {
  return tl::make_unexpected(StoreError{StoreErrorKind::kFatal, std::move(text)});
}

tl::expected<std::string, StoreError> read_pem(const std::string& path, const char* option) {
  if (path.empty()) return std::string();
  auto content = platform::read_file(path, kMaxPemBytes);
  if (!content) return refused(fmt::format("{}: {}", option, content.error().text));
  const std::optional<std::string>& pem = *content;
  if (!pem) return refused(fmt::format("{}: there is no file {}", option, path));
  if (pem->find("-----BEGIN ") == std::string::npos)
    return refused(fmt::format("{}: {} is no PEM file: it has no line that starts with -----BEGIN", option, path));
  return *pem;
}

}  // namespace

tl::expected<std::shared_ptr<EtcdCredentials>, StoreError> EtcdCredentials::open(const EtcdOptions& options) {
  std::shared_ptr<EtcdCredentials> made(new EtcdCredentials(options));
  made->seen_ = made->look();
  auto read = made->read();
  if (!read) return tl::make_unexpected(std::move(read.error()));
  made->current_ = {std::move(*read), 1};
  return made;
}

EtcdCredentials::Current EtcdCredentials::current() {
  const std::lock_guard lock(mutex_);
  const Faces now = look();  // before they are read: what changes while they are read is found at the next look
  if (now == seen_) return current_;
  seen_ = now;
  auto newer = read();
  problem_ = newer ? "" : newer.error().text;
  if (newer) current_ = {std::move(*newer), current_.number + 1};
  return current_;
}

std::string EtcdCredentials::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

// A file that is not there looks like none; so does one that was not configured.
EtcdCredentials::Faces EtcdCredentials::look() const {
  Faces faces;
  if (!options_.tls) return faces;
  const std::array<const std::string*, 3> paths{&options_.ca_file, &options_.certificate_file, &options_.key_file};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    struct stat found{};
    if (paths[i]->empty() || ::stat(paths[i]->c_str(), &found) != 0) continue;
    faces[i] = {found.st_dev, found.st_ino, found.st_size, ns_of(found.st_mtim), ns_of(found.st_ctim)};
  }
  return faces;
}

tl::expected<std::shared_ptr<grpc::ChannelCredentials>, StoreError> EtcdCredentials::read() const {
  if (!options_.tls) {
    if (!options_.ca_file.empty() || !options_.certificate_file.empty() || !options_.key_file.empty())
      return refused("store.ca_file, store.cert_file and store.key_file need endpoints with https://");
    return grpc::InsecureChannelCredentials();
  }
  if (options_.certificate_file.empty() != options_.key_file.empty())
    return refused("store.cert_file and store.key_file belong together: set both or none");
  auto roots = read_pem(options_.ca_file, "store.ca_file");
  if (!roots) return tl::make_unexpected(roots.error());
  auto certificate = read_pem(options_.certificate_file, "store.cert_file");
  if (!certificate) return tl::make_unexpected(certificate.error());
  auto key = read_pem(options_.key_file, "store.key_file");
  if (!key) return tl::make_unexpected(key.error());
  return grpc::SslCredentials({std::move(*roots), std::move(*key), std::move(*certificate)});
}

}  // namespace gnomon::control
