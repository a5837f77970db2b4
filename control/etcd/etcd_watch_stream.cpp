// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_watch_stream.hpp"

#include <utility>

#include "control/etcd/etcd_link.hpp"

namespace gnomon::control {

namespace pb = etcdserverpb;

EtcdWatchStream::EtcdWatchStream(const EtcdOptions& options, std::shared_ptr<grpc::Channel> channel, std::string token,
                                 const pb::WatchCreateRequest& create)
    : channel_(std::move(channel)),
      open_by_(EtcdDeadline::in(options.deadline)),
      deadline_(options.deadline),
      token_(std::move(token)) {
  *request_.mutable_create_request() = create;
  if (!options.user.empty() && token_.empty())
    log_in(options);
  else
    start();
}

EtcdWatchStream::~EtcdWatchStream() {
  login_context_.TryCancel();
  context_.TryCancel();
  check_context_.TryCancel();
  queue_.Shutdown();
  void* ignored_tag = nullptr;
  bool ignored_ok = false;
  while (queue_.Next(&ignored_tag, &ignored_ok)) {
  }
}

EtcdWatchStream::Happening EtcdWatchStream::wait(EtcdDeadline deadline) {
  for (;;) {
    void* which = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&which, &ok, deadline.for_grpc()) != grpc::CompletionQueue::GOT_EVENT)
      return Happening::kNothing;
    const auto index = static_cast<const char*>(which) - tags_.data();
    if (const Happening happening = happened(static_cast<Tag>(index), ok); happening != Happening::kNothing)
      return happening;
  }
}

EtcdWatchStream::Happening EtcdWatchStream::happened(Tag which, bool ok) {
  switch (which) {
    case Tag::kLogin: {
      const bool is_off = status_.error_message() == "etcdserver: authentication is not enabled";
      if (!status_.ok() && !is_off) return Happening::kEnded;
      token_ = login_response_.token();
      logged_in_here_ = true;
      start();
      return Happening::kLoggedIn;
    }
    case Tag::kStart:
      if (!ok) {
        finish();
        break;
      }
      call_->Write(request_, tag(Tag::kWrite));
      call_->Read(&response_, tag(Tag::kRead));
      break;
    case Tag::kWrite: break;  // a failure shows in the read
    case Tag::kRead:
      if (ok) return Happening::kResponse;
      finish();
      break;
    case Tag::kFinish: return Happening::kEnded;
    case Tag::kCheck: return status_.ok() ? Happening::kRevision : Happening::kEnded;
  }
  return Happening::kNothing;
}

void EtcdWatchStream::log_in(const EtcdOptions& options) {
  add_metadata(login_context_, {});
  login_context_.set_deadline(open_by_.for_grpc());
  pb::AuthenticateRequest request;
  request.set_name(options.user);
  request.set_password(options.password);
  login_ = pb::Auth::NewStub(channel_)->AsyncAuthenticate(&login_context_, request, &queue_);
  login_->Finish(&login_response_, &status_, tag(Tag::kLogin));
}

void EtcdWatchStream::start() {
  add_metadata(context_, token_);
  call_ = pb::Watch::NewStub(channel_)->AsyncWatch(&context_, &queue_, tag(Tag::kStart));
}

void EtcdWatchStream::go_on() { call_->Read(&response_, tag(Tag::kRead)); }

void EtcdWatchStream::finish() { call_->Finish(&status_, tag(Tag::kFinish)); }

void EtcdWatchStream::ask_revision(const std::string& key) {
  add_metadata(check_context_, token_);
  check_context_.set_deadline(EtcdDeadline::in(deadline_).for_grpc());
  pb::RangeRequest request;
  request.set_key(key);
  request.set_count_only(true);
  check_ = pb::KV::NewStub(channel_)->AsyncRange(&check_context_, request, &queue_);
  check_->Finish(&check_response_, &status_, tag(Tag::kCheck));
}

}  // namespace gnomon::control
