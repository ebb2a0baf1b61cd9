#include <doctest/doctest.h>
#include <linux/netfilter/nfnetlink.h>

#include "netlink/exchange.h"
#include "test/fake_transport.h"

namespace vethwork {
namespace {

using test::FakeTransport;

/// A batch of begin, two commands and end.
Batch atomicBatch() {
  Batch batch;
  batch.begin(NFNL_MSG_BATCH_BEGIN, 0, Batch::Answer::failure);
  batch.begin(100, 0);
  batch.begin(101, 0);
  batch.begin(NFNL_MSG_BATCH_END, 0, Batch::Answer::none);
  return batch;
}

bool wantsAnswer(const Message& message) { return (message.header.nlmsg_flags & NLM_F_ACK) != 0; }

}  // namespace

TEST_CASE("an atomic batch ends with the acknowledgement of its last command") {
  FakeTransport kernel;
  kernel.onMessage = [](const Message& message, FakeTransport& to) {
    CHECK(wantsAnswer(message) == (message.header.nlmsg_type == 101));
    if (wantsAnswer(message)) {
      to.acknowledge(message);
    }
  };
  Batch batch = atomicBatch();
  const auto outcomes = Exchange(kernel).request(batch);
  REQUIRE(outcomes.size() == 4);
  for (const Outcome& outcome : outcomes) {
    CHECK(outcome.error == 0);
  }
}

TEST_CASE("a failure is assigned to its command") {
  FakeTransport kernel;
  kernel.onMessage = [](const Message& message, FakeTransport& to) {
    if (message.header.nlmsg_type == 100) {
      to.acknowledge(message, ENOENT);
    } else if (wantsAnswer(message)) {
      to.acknowledge(message);
    }
  };
  Batch batch = atomicBatch();
  const auto outcomes = Exchange(kernel).request(batch);
  CHECK(outcomes[0].error == 0);
  CHECK(outcomes[1].error == ENOENT);
  CHECK(outcomes[2].error == 0);
}

TEST_CASE("a batch that is rejected as a whole ends at once") {
  FakeTransport kernel;
  kernel.onMessage = [](const Message& message, FakeTransport& to) {
    if (message.header.nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
      to.acknowledge(message, EPERM);
    }
  };
  Batch batch = atomicBatch();
  // Waiting for further answers would end with ETIMEDOUT.
  CHECK(Exchange(kernel).request(batch)[0].error == EPERM);
}

TEST_CASE("answers to earlier batches are ignored") {
  FakeTransport kernel;
  kernel.onMessage = [](const Message& message, FakeTransport& to) {
    if (message.header.nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
      to.acknowledge(message, EBUSY);
    } else if (wantsAnswer(message)) {
      to.acknowledge(message);
    }
  };
  Exchange exchange(kernel);
  Batch failed = atomicBatch();
  CHECK(exchange.request(failed)[0].error == EBUSY);
  REQUIRE(kernel.answers.size() == 1);
  kernel.onMessage = [](const Message& message, FakeTransport& to) {
    if (message.header.nlmsg_type == 100) {
      to.acknowledge(message, EEXIST);
    } else if (wantsAnswer(message)) {
      to.acknowledge(message);
    }
  };
  Batch next = atomicBatch();
  const auto outcomes = exchange.request(next);
  CHECK(outcomes[0].error == 0);
  CHECK(outcomes[1].error == EEXIST);
}

}  // namespace vethwork
