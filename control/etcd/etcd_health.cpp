// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_health.hpp"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "control/etcd/etcd_channels.hpp"
#include "control/etcd/etcd_deadline.hpp"
#include "control/etcd/etcd_error.hpp"
#include "control/etcd/etcd_link.hpp"
#include "etcd/v3/etcd.grpc.pb.h"

namespace gnomon::control {
namespace {

namespace pb = etcdserverpb;

struct StatusCall {
  std::string endpoint;
  grpc::ClientContext context;
  pb::StatusResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<pb::StatusResponse>> reader;
};

using StatusCalls = std::vector<std::unique_ptr<StatusCall>>;

/// Without `hasleader`: a member that has no leader shall say so in its own words.
StatusCalls ask_all(const std::vector<EtcdChannel>& channels, EtcdDeadline deadline) {
  StatusCalls calls;
  grpc::CompletionQueue queue;
  for (const EtcdChannel& each : channels) {
    StatusCall& call = *calls.emplace_back(std::make_unique<StatusCall>());
    call.endpoint = each.endpoint;
    call.context.set_deadline(deadline.for_grpc());
    call.reader = pb::Maintenance::NewStub(each.channel)->AsyncStatus(&call.context, pb::StatusRequest(), &queue);
    call.reader->Finish(&call.response, &call.status, &call);
  }
  queue.Shutdown();
  void* ignored_tag = nullptr;
  bool ignored_ok = false;
  while (queue.Next(&ignored_tag, &ignored_ok)) {
  }
  return calls;
}

template <typename Response, typename Send>
tl::expected<void, StoreError> ask_any(EtcdLink& link, const EtcdClusterId& cluster, Response& response,
                                       EtcdDeadline deadline, const Send& send) {
  EtcdLink::Call call;
  call.send = [&](grpc::ClientContext& context, const std::shared_ptr<grpc::Channel>& channel) {
    response.Clear();
    return send(context, channel);
  };
  // 3.4 leaves it out of the answer about alarms.
  call.cluster = [&] { return response.header().cluster_id() != 0 ? response.header().cluster_id() : cluster.value(); };
  return link.call(call, deadline);
}

void take_status(EtcdMember& member, const StatusCall& call, const EtcdOptions& options) {
  member.endpoint = call.endpoint;
  member.reachable = call.status.ok();
  if (!call.status.ok()) {
    member.error = judge({call.status.error_code(), call.status.error_message(), true, false, 0, call.endpoint,
                          options.user, options.prefix})
                       .error.text;
    return;
  }
  const pb::StatusResponse& said = call.response;
  member.id = said.header().member_id();
  member.version = said.version();
  member.db_size_bytes = said.db_size();
  member.db_size_in_use_bytes = said.db_size_in_use();
  member.raft_index = said.raft_index();
  member.raft_term = said.raft_term();
  member.leader_id = said.leader();
  member.is_leader = said.leader() != 0 && said.leader() == member.id;
  member.learner = said.is_learner();
  member.errors.assign(said.errors().begin(), said.errors().end());
}

bool claims(const EtcdMember& member, const std::string& endpoint) {
  return std::any_of(member.client_urls.begin(), member.client_urls.end(),
                     [&endpoint](const std::string& url) { return url.ends_with("//" + endpoint); });
}

/// The member that this endpoint leads to: by what it answered, else by the addresses that members claim.
EtcdMember& member_of(std::vector<EtcdMember>& members, const StatusCall& call) {
  const auto found = std::find_if(members.begin(), members.end(), [&call](const EtcdMember& member) {
    return call.status.ok() ? member.id == call.response.header().member_id()
                            : !member.reachable && claims(member, call.endpoint);
  });
  return found != members.end() ? *found : members.emplace_back();
}

std::string alarm_name(pb::AlarmType type) {
  return pb::AlarmType_IsValid(type) ? pb::AlarmType_Name(type) : "alarm " + std::to_string(type);
}

}  // namespace

tl::expected<EtcdHealth, StoreError> ask_health(const EtcdOptions& options) {
  const auto dialer = EtcdDialer::open(options);
  if (!dialer) return tl::make_unexpected(dialer.error());
  const std::vector<EtcdChannel> channels = dialer->dial();
  const StatusCalls statuses = ask_all(channels, EtcdDeadline::in(options.deadline));

  EtcdHealth health;
  const auto cluster = std::make_shared<EtcdClusterId>();
  EtcdLink link(options, *dialer, channels, cluster);
  const EtcdDeadline deadline = EtcdDeadline::in(options.deadline);
  pb::MemberListResponse list;
  const auto listed = ask_any(link, *cluster, list, deadline, [&list](auto& context, const auto& channel) {
    return pb::Cluster::NewStub(channel)->MemberList(&context, pb::MemberListRequest(), &list);
  });
  if (!listed) health.members_error = listed.error().text;
  for (const pb::Member& each : list.members()) {
    EtcdMember& member = health.members.emplace_back();
    member.id = each.id();
    member.name = each.name();
    member.peer_urls.assign(each.peer_urls().begin(), each.peer_urls().end());
    member.client_urls.assign(each.client_urls().begin(), each.client_urls().end());
    member.learner = each.is_learner();
  }
  for (const auto& call : statuses) {
    EtcdMember& member = member_of(health.members, *call);
    take_status(member, *call, options);
    if (!call->status.ok()) continue;
    if (const std::uint64_t found = call->response.header().cluster_id(); !cluster->agrees(found)) {
      member.error = other_cluster_text(call->endpoint, found, cluster->value());
      continue;
    }
    health.leader_known = health.leader_known || call->response.leader() != 0;
    health.revision = std::max(health.revision, call->response.header().revision());
  }
  health.cluster_id = cluster->value();
  for (EtcdMember& member : health.members)
    if (member.endpoint.empty()) member.error = "none of the configured endpoints leads to it";

  pb::AlarmResponse alarms;
  const auto told = ask_any(link, *cluster, alarms, deadline, [&alarms](auto& context, const auto& channel) {
    return pb::Maintenance::NewStub(channel)->Alarm(&context, pb::AlarmRequest(), &alarms);
  });
  if (!told) health.alarms_error = told.error().text;
  for (const pb::AlarmMember& each : alarms.alarms())
    health.alarms.push_back({each.member_id(), alarm_name(each.alarm())});
  return health;
}

}  // namespace gnomon::control
