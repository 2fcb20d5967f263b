// The floor in C++: Debian's gRPC, one thread on an asynchronous completion queue, our messages, no scoring.
// `echo 127.0.0.1:PORT | unix:PATH` prints one line with its address when it is ready.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <memory>
#include <string>

#include "sternpost/v1/scoring.grpc.pb.h"

using sternpost::v1::ScoreReply;
using sternpost::v1::ScoreRequest;
using sternpost::v1::Scoring;

namespace {

void fill(ScoreReply& reply) {
  reply.set_prediction_id("0123456789abcdef01234567");
  reply.set_score(0.5);
  reply.set_action("decline");
  reply.set_source(sternpost::v1::SOURCE_MODEL);
  reply.set_rung(sternpost::v1::RUNG_OFF);
  reply.set_digest(std::string(64, '0'));
  reply.mutable_timing()->set_queue_ns(9000);
  reply.mutable_timing()->set_score_ns(9000);
  reply.mutable_timing()->set_block_rows(1);
}

// One call: waits to be requested, answers, is answered, begins anew.
class Call {
 public:
  Call(Scoring::AsyncService& service, grpc::ServerCompletionQueue& queue) : service_(service), queue_(queue), writer_(&context_) {
    service_.RequestScore(&context_, &request_, &writer_, &queue_, &queue_, this);
  }

  void proceed(bool ok) {
    if (answered_ || !ok) {
      delete this;
      return;
    }
    new Call(service_, queue_);
    answered_ = true;
    fill(reply_);
    writer_.Finish(reply_, grpc::Status::OK, this);
  }

 private:
  Scoring::AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  ScoreRequest request_;
  ScoreReply reply_;
  grpc::ServerAsyncResponseWriter<ScoreReply> writer_;
  bool answered_ = false;
};

}  // namespace

int main(int count, char** words) {
  if (count != 2) return std::fprintf(stderr, "echo 127.0.0.1:PORT | unix:PATH\n"), 2;
  const std::string target = words[1];
  Scoring::AsyncService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(target, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  for (int i = 0; i < 64; ++i) new Call(service, *queue);
  const bool local = target.rfind("unix:", 0) == 0;
  const std::string address = local ? target : target.substr(0, target.rfind(':') + 1) + std::to_string(port);
  std::printf("{\"listen\":[\"%s\"]}\n", address.c_str());
  std::fflush(stdout);
  void* tag = nullptr;
  for (bool ok = false; queue->Next(&tag, &ok);) static_cast<Call*>(tag)->proceed(ok);
}
