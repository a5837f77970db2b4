// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "tests/control/etcd/fake_etcd.hpp"

namespace gnomon::control {

namespace pb = etcdserverpb;

namespace {

bool in_range(const std::string& key, const std::string& first, const std::string& end) {
  if (end.empty()) return key == first;
  return key >= first && (end == std::string(1, '\0') || key < end);
}

}  // namespace

std::int64_t FakeCluster::revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

std::optional<std::string> FakeCluster::value(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto at = keys_.find(key);
  return at == keys_.end() ? std::nullopt : std::optional(at->second.value());
}

std::int64_t FakeCluster::put(const std::map<std::string, std::string>& values) {
  const std::lock_guard lock(mutex_);
  return put_locked(values);
}

std::int64_t FakeCluster::put_locked(const std::map<std::string, std::string>& values) {
  ++revision_;
  for (const auto& [key, value] : values) {
    pb::Event event;
    event.mutable_kv()->set_key(key);
    event.mutable_kv()->set_mod_revision(revision_);
    if (value.empty()) {
      event.set_type(pb::Event::DELETE);
      keys_.erase(key);
    } else {
      event.mutable_kv()->set_value(value);
      keys_[key] = event.kv();
    }
    history_.push_back(event);
  }
  return revision_;
}

void FakeCluster::compact(std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  compacted_ = revision;
}

void FakeCluster::restore(std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  revision_ = revision;
  std::erase_if(history_, [revision](const pb::Event& event) { return event.kv().mod_revision() > revision; });
  std::erase_if(keys_, [revision](const auto& entry) { return entry.second.mod_revision() > revision; });
}

void FakeCluster::tell_health(pb::MemberListResponse members, pb::AlarmResponse alarms) {
  const std::lock_guard lock(mutex_);
  health_ = Health{std::move(members), std::move(alarms)};
}

std::optional<FakeCluster::Health> FakeCluster::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

pb::TxnResponse FakeCluster::apply(const pb::TxnRequest& request) {
  const std::lock_guard lock(mutex_);
  pb::TxnResponse response;
  response.set_succeeded(
      std::all_of(request.compare().begin(), request.compare().end(), [this](const pb::Compare& compare) {
        const auto at = keys_.find(compare.key());
        return (at == keys_.end() ? 0 : at->second.mod_revision()) == compare.mod_revision();
      }));
  if (response.succeeded()) {
    std::map<std::string, std::string> values;
    for (const pb::RequestOp& op : request.success())
      if (op.has_request_put())
        values[op.request_put().key()] = op.request_put().value();
      else
        values[op.request_delete_range().key()] = "";
    put_locked(values);
  } else {
    for (const pb::RequestOp& op : request.failure()) {
      pb::RangeResponse& found = *response.add_responses()->mutable_response_range();
      if (const auto at = keys_.find(op.request_range().key()); at != keys_.end()) *found.add_kvs() = at->second;
    }
  }
  response.mutable_header()->set_revision(revision_);
  return response;
}

grpc::Status FakeCluster::range(const pb::RangeRequest& request, pb::RangeResponse* response) const {
  const std::lock_guard lock(mutex_);
  if (request.revision() > 0 && request.revision() < compacted_)
    return {grpc::StatusCode::OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"};
  const std::int64_t at = request.revision() > 0 ? request.revision() : revision_;
  std::map<std::string, pb::KeyValue> then;
  for (const pb::Event& event : history_)
    if (event.kv().mod_revision() <= at && in_range(event.kv().key(), request.key(), request.range_end())) {
      if (event.type() == pb::Event::DELETE)
        then.erase(event.kv().key());
      else
        then[event.kv().key()] = event.kv();
    }
  response->mutable_header()->set_revision(revision_);
  response->set_count(static_cast<std::int64_t>(then.size()));
  for (const auto& [key, value] : then) {
    if (request.count_only()) break;
    if (request.limit() > 0 && response->kvs_size() == request.limit()) {
      response->set_more(true);
      break;
    }
    *response->add_kvs() = value;
  }
  return grpc::Status::OK;
}

FakeCluster::Batch FakeCluster::events(std::int64_t from, const pb::WatchCreateRequest& range) const {
  const std::lock_guard lock(mutex_);
  Batch batch{{}, revision_, from < compacted_ ? compacted_ : 0};
  for (const pb::Event& event : history_)
    if (event.kv().mod_revision() >= from && in_range(event.kv().key(), range.key(), range.range_end()))
      batch.events.push_back(event);
  return batch;
}

}  // namespace gnomon::control
