// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_store.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "control/etcd/etcd_codec.hpp"
#include "control/etcd/etcd_watch.hpp"
#include "etcd/v3/etcd.grpc.pb.h"

namespace gnomon::control {
namespace {

namespace pb = etcdserverpb;

constexpr std::int64_t kPage = 2'000;  // entries
constexpr int kMaxFreshListings = 8;   // begun anew because the revision was compacted away meanwhile
constexpr time::Duration kLongestListing = time::seconds(30);

struct RangeAnswer {
  pb::RangeResponse response;
  bool compacted = false;
};

/// A range, or the news that its revision is compacted.
tl::expected<RangeAnswer, StoreError> range(EtcdLink& link, const pb::RangeRequest& request, EtcdDeadline deadline) {
  RangeAnswer answer;
  EtcdLink::Call call;
  call.send = [&](grpc::ClientContext& context, const std::shared_ptr<grpc::Channel>& channel) {
    answer.response.Clear();
    const grpc::Status status = pb::KV::NewStub(channel)->Range(&context, request, &answer.response);
    answer.compacted = status.error_code() == grpc::StatusCode::OUT_OF_RANGE;
    return status;
  };
  call.cluster = [&] { return answer.response.header().cluster_id(); };
  auto done = link.call(call, deadline);
  if (!done && !answer.compacted) return tl::make_unexpected(std::move(done.error()));
  return answer;
}

/// An entry of an answer that shows the store as it was at `at`: it can't have been changed later.
tl::expected<Entry, StoreError> entry_at(std::int64_t at, const pb::KeyValue& value, std::string_view prefix) {
  if (is_revision(value.mod_revision()) && value.mod_revision() <= at) return to_entry(value, prefix);
  return tl::make_unexpected(
      StoreError{StoreErrorKind::kUnavailable, impossible_text("that " + value.key() + " was changed")});
}

}  // namespace

EtcdStore::EtcdStore(EtcdOptions options, EtcdDialer dialer)
    : options_(std::move(options)),
      dialer_(std::move(dialer)),
      cluster_(std::make_shared<EtcdClusterId>()),
      link_(options_, dialer_, dialer_.dial(), cluster_) {}

tl::expected<std::unique_ptr<EtcdStore>, StoreError> EtcdStore::open(EtcdOptions options) {
  auto dialer = EtcdDialer::open(options);
  if (!dialer) return tl::make_unexpected(std::move(dialer.error()));
  return std::unique_ptr<EtcdStore>(new EtcdStore(std::move(options), std::move(*dialer)));
}

tl::expected<std::optional<Entry>, StoreError> EtcdStore::get(std::string_view key) {
  pb::RangeRequest request;
  request.set_key(options_.prefix + std::string(key));
  const auto answer = range(link_, request, EtcdDeadline::in(options_.deadline));
  if (!answer) return tl::make_unexpected(answer.error());
  if (answer->response.kvs().empty()) return std::optional<Entry>();
  return entry_at(answer->response.header().revision(), answer->response.kvs(0), options_.prefix);
}

tl::expected<Listing, StoreError> EtcdStore::list(std::string_view prefix) {
  // Each page has the time of a call; a hundred thousand entries are fifty pages.
  const EtcdDeadline whole = EtcdDeadline::in(std::max(options_.deadline, kLongestListing));
  const std::string start = options_.prefix + std::string(prefix);
  Listing listing;
  pb::RangeRequest request;
  int fresh_listings = 0;
  const auto begin = [&] {
    listing = {};
    request.set_key(start);
    request.set_range_end(range_end_of(start));
    request.set_limit(kPage);
    request.set_revision(0);
  };
  begin();
  for (;;) {
    const auto answer = range(link_, request, whole.but_within(options_.deadline));
    if (!answer) return tl::make_unexpected(answer.error());
    if (answer->compacted) {
      if (++fresh_listings > kMaxFreshListings)
        return tl::make_unexpected(
            StoreError{StoreErrorKind::kUnavailable,
                       "etcd is compacted faster than " + start + " can be listed; compact it less often"});
      begin();
      continue;
    }
    const pb::RangeResponse& page = answer->response;
    if (request.revision() == 0) {
      if (!is_revision(page.header().revision()))
        return tl::make_unexpected(StoreError{StoreErrorKind::kUnavailable, impossible_text("that it is")});
      listing.at = {static_cast<std::uint64_t>(page.header().revision())};
      request.set_revision(page.header().revision());
    }
    for (const pb::KeyValue& value : page.kvs()) {
      auto entry = entry_at(request.revision(), value, options_.prefix);
      if (!entry) return tl::make_unexpected(std::move(entry.error()));
      listing.entries.push_back(std::move(*entry));
    }
    if (!page.more()) return listing;
    std::string next = page.kvs().empty() ? std::string() : page.kvs(page.kvs_size() - 1).key() + '\0';
    // Asked for ever, or called complete: either would be worse than nothing.
    if (next <= request.key())
      return tl::make_unexpected(
          StoreError{StoreErrorKind::kUnavailable, "what answers in etcd's name lists " + start +
                                                       " and says that there is more, but not beyond what it told "
                                                       "before: look at what listens there"});
    request.set_key(std::move(next));
  }
}

tl::expected<Revision, StoreError> EtcdStore::commit(const Transaction& transaction) {
  const pb::TxnRequest request = to_request(transaction, options_.prefix);
  pb::TxnResponse response;
  EtcdLink::Call call;
  call.send = [&](grpc::ClientContext& context, const std::shared_ptr<grpc::Channel>& channel) {
    response.Clear();
    return pb::KV::NewStub(channel)->Txn(&context, request, &response);
  };
  call.cluster = [&] { return response.header().cluster_id(); };
  call.is_commit = true;
  call.operations = std::max(transaction.compares.size(), transaction.puts.size() + transaction.deletes.size());
  auto done = link_.call(call, EtcdDeadline::in(options_.deadline));
  if (!done) return tl::make_unexpected(std::move(done.error()));
  if (!response.succeeded())
    return tl::make_unexpected(StoreError{StoreErrorKind::kConflict, conflict_text(transaction, response)});
  if (!is_revision(response.header().revision()))
    return tl::make_unexpected(
        StoreError{StoreErrorKind::kUnknown, impossible_text("that a transaction was committed")});
  return Revision{static_cast<std::uint64_t>(response.header().revision())};
}

std::unique_ptr<Watch> EtcdStore::watch(std::string_view prefix, Revision after) {
  return std::make_unique<EtcdWatch>(options_, dialer_, cluster_, prefix, after);
}

}  // namespace gnomon::control
