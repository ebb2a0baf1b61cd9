#include "netlink/exchange.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <deque>
#include <limits>
#include <string>

using namespace vethwork;

namespace {

using Datagram = std::vector<std::uint8_t>;

void append(Datagram& to, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  to.insert(to.end(), bytes, bytes + size);
  to.resize(NLMSG_ALIGN(to.size()));
}

Datagram operator+(Datagram left, const Datagram& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Datagram message(std::uint16_t type, std::uint32_t sequence, const Datagram& payload, std::uint16_t flags = 0) {
  const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + payload.size()),
                        .nlmsg_type = type,
                        .nlmsg_flags = flags,
                        .nlmsg_seq = sequence,
                        .nlmsg_pid = 0};
  Datagram bytes;
  append(bytes, &header, sizeof header);
  append(bytes, payload.data(), payload.size());
  return bytes;
}

struct Acknowledgement {
  int error = 0;
  std::string text = {};
  std::uint32_t offset = 0;
  /// Bytes of the request that the acknowledgement repeats, header included; 0 for NLM_F_CAPPED.
  std::uint32_t repeated = 0;
};

Datagram acknowledge(std::uint32_t sequence, const Acknowledgement& what = {}) {
  nlmsgerr head{};
  head.error = -what.error;
  head.msg.nlmsg_len = what.repeated == 0 ? NLMSG_HDRLEN + 100 : what.repeated;
  Datagram payload;
  append(payload, &head, sizeof head);
  if (what.repeated > 0) {
    // Looks like a text attribute if it is misinterpreted.
    Datagram request(what.repeated - NLMSG_HDRLEN, 0);
    const nlattr trap{.nla_len = static_cast<std::uint16_t>(request.size()), .nla_type = NLMSGERR_ATTR_MSG};
    std::memcpy(request.data(), &trap, sizeof trap);
    append(payload, request.data(), request.size());
  }
  std::uint16_t flags = what.repeated == 0 ? NLM_F_CAPPED : 0;
  if (!what.text.empty()) {
    flags |= NLM_F_ACK_TLVS;
    const nlattr text{.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + what.text.size() + 1),
                      .nla_type = NLMSGERR_ATTR_MSG};
    append(payload, &text, sizeof text);
    append(payload, what.text.c_str(), what.text.size() + 1);
    const nlattr offset{.nla_len = NLA_HDRLEN + 4, .nla_type = NLMSGERR_ATTR_OFFS};
    append(payload, &offset, sizeof offset);
    append(payload, &what.offset, sizeof what.offset);
  }
  return message(NLMSG_ERROR, sequence, payload, flags);
}

Datagram done(std::uint32_t sequence, int error = 0, std::uint16_t flags = 0) {
  Datagram payload;
  append(payload, &error, sizeof error);
  return message(NLMSG_DONE, sequence, payload, NLM_F_MULTI | flags);
}

/// Answers each send with prepared datagrams. Without any, a reply is lost.
class ScriptedTransport final : public Transport {
 public:
  /// Datagrams to receive, one entry for each send.
  std::deque<std::vector<Datagram>> replies;
  int sendError = 0;
  int receiveError = EAGAIN;
  std::vector<Datagram> sent;

  int send(std::span<const std::uint8_t> bytes) override {
    sent.emplace_back(bytes.begin(), bytes.end());
    if (sendError != 0) {
      return sendError;
    }
    if (!replies.empty()) {
      for (Datagram& datagram : replies.front()) {
        waiting_.push_back(std::move(datagram));
      }
      replies.pop_front();
    }
    return 0;
  }

  std::int64_t receive(std::span<std::uint8_t> buffer) override {
    if (waiting_.empty()) {
      return -receiveError;
    }
    const Datagram datagram = std::move(waiting_.front());
    waiting_.pop_front();
    std::copy(datagram.begin(), datagram.end(), buffer.begin());
    return static_cast<std::int64_t>(datagram.size());
  }

 private:
  std::deque<Datagram> waiting_;
};

Batch requests(std::size_t count) {
  Batch batch;
  for (std::size_t index = 0; index < count; ++index) {
    batch.begin(16, 0);
    batch.put(1, std::uint32_t{5});
  }
  return batch;
}

std::vector<int> errors(const std::vector<Outcome>& outcomes) {
  std::vector<int> list;
  for (const Outcome& outcome : outcomes) {
    list.push_back(outcome.error);
  }
  return list;
}

struct Dumped {
  Outcome outcome;
  std::vector<std::uint16_t> types;
  int restarts = 0;
};

Dumped dump(Exchange& exchange) {
  Dumped result;
  Batch batch;
  batch.begin(18, NLM_F_DUMP);
  result.outcome = exchange.dump(
      batch, [&](const Message& message) { result.types.push_back(message.header.nlmsg_type); },
      [&] {
        ++result.restarts;
        result.types.clear();
      });
  return result;
}

}  // namespace

TEST_CASE("a message without an answer has succeeded once the last one is acknowledged") {
  ScriptedTransport transport;
  transport.replies = {{acknowledge(3)}};
  Exchange exchange(transport);
  Batch batch = requests(3);
  CHECK(errors(exchange.request(batch)) == std::vector<int>{0, 0, 0});
  REQUIRE(transport.sent.size() == 1);
}

TEST_CASE("each failure is assigned to its message") {
  ScriptedTransport transport;
  transport.replies = {{acknowledge(1, {.error = EEXIST}) + acknowledge(3, {.error = ENODEV}), acknowledge(4)}};
  Exchange exchange(transport);
  Batch batch = requests(4);
  CHECK(errors(exchange.request(batch)) == std::vector<int>{EEXIST, 0, ENODEV, 0});
}

TEST_CASE("the kernel's sentence and offset, with and without the request repeated") {
  for (const std::uint32_t repeated : {0U, 16U + 20U, 16U + 21U}) {
    CAPTURE(repeated);
    ScriptedTransport transport;
    const Acknowledgement refusal{
        .error = EINVAL, .text = "mtu greater than device maximum", .offset = 32, .repeated = repeated};
    transport.replies = {{acknowledge(1, refusal)}};
    Exchange exchange(transport);
    Batch batch = requests(1);
    const auto outcomes = exchange.request(batch);
    CHECK(outcomes[0].error == EINVAL);
    CHECK(outcomes[0].text == "mtu greater than device maximum");
    REQUIRE(outcomes[0].offset);
    CHECK(*outcomes[0].offset == 32);
  }
}

TEST_CASE("an acknowledgement with a wrong size is read within its bounds") {
  ScriptedTransport transport;
  nlmsgerr head{};
  head.error = -EPERM;
  head.msg.nlmsg_len = 0xffffffff;
  Datagram payload;
  append(payload, &head, sizeof head);
  transport.replies = {{message(NLMSG_ERROR, 1, payload, NLM_F_ACK_TLVS)}};
  Exchange exchange(transport);
  Batch batch = requests(1);
  const auto outcomes = exchange.request(batch);
  CHECK(outcomes[0].error == EPERM);
  CHECK(outcomes[0].text.empty());

  transport.replies = {{message(NLMSG_ERROR, 2, Datagram(2))}};
  Batch another = requests(1);
  CHECK(errors(exchange.request(another)) == std::vector<int>{EBADMSG});
}

TEST_CASE("a positive error number is an error") {
  ScriptedTransport transport;
  nlmsgerr head{};
  head.error = std::numeric_limits<int>::min();
  Datagram payload;
  append(payload, &head, sizeof head);
  transport.replies = {{message(NLMSG_ERROR, 1, payload)}};
  Exchange exchange(transport);
  Batch batch = requests(1);
  CHECK(exchange.request(batch)[0].error != 0);
}

TEST_CASE("replies are passed on with the index of their request") {
  ScriptedTransport transport;
  transport.replies = {{message(16, 2, Datagram(16)), message(16, 1, Datagram(16)) + acknowledge(3)}};
  Exchange exchange(transport);
  Batch batch = requests(3);
  std::vector<std::size_t> positions;
  const auto outcomes =
      exchange.request(batch, [&](std::size_t position, const Message&) { positions.push_back(position); });
  CHECK(errors(outcomes) == std::vector<int>{0, 0, 0});
  CHECK(positions == std::vector<std::size_t>{1, 0});
}

TEST_CASE("a lost reply is a time-out of all messages without an answer") {
  ScriptedTransport transport;
  transport.replies = {{acknowledge(2, {.error = EEXIST})}};
  Exchange exchange(transport);
  Batch batch = requests(3);
  CHECK(errors(exchange.request(batch)) == std::vector<int>{ETIMEDOUT, EEXIST, ETIMEDOUT});

  transport.receiveError = ENOBUFS;
  Batch another = requests(2);
  CHECK(errors(exchange.request(another)) == std::vector<int>{ENOBUFS, ENOBUFS});
}

TEST_CASE("late answers are not assigned to the next request") {
  ScriptedTransport transport;
  Exchange exchange(transport);
  Batch first = requests(2);
  CHECK(errors(exchange.request(first)) == std::vector<int>{ETIMEDOUT, ETIMEDOUT});
  transport.replies = {{acknowledge(1, {.error = EEXIST}), acknowledge(2, {.error = EPERM}),
                        message(16, 2, Datagram(16)), acknowledge(99, {.error = EPERM}),
                        acknowledge(0, {.error = EPERM}), acknowledge(3)}};
  Batch second = requests(1);
  bool told = false;
  const auto outcomes = exchange.request(second, [&](std::size_t, const Message&) { told = true; });
  CHECK(errors(outcomes) == std::vector<int>{0});
  CHECK(!told);
}

TEST_CASE("a batch that cannot be sent fails as a whole") {
  ScriptedTransport transport;
  transport.sendError = EMSGSIZE;
  Exchange exchange(transport);
  Batch batch = requests(2);
  CHECK(errors(exchange.request(batch)) == std::vector<int>{EMSGSIZE, EMSGSIZE});
  CHECK(dump(exchange).outcome.error == EMSGSIZE);
}

TEST_CASE("an empty batch is not sent") {
  ScriptedTransport transport;
  Exchange exchange(transport);
  Batch batch;
  CHECK(exchange.request(batch).empty());
  CHECK(transport.sent.empty());
}

TEST_CASE("a dump passes on every answer until it is done") {
  ScriptedTransport transport;
  transport.replies = {{message(16, 1, Datagram(16), NLM_F_MULTI) + message(17, 1, Datagram(16), NLM_F_MULTI),
                        message(16, 7, Datagram(16), NLM_F_MULTI) + message(18, 1, Datagram(16), NLM_F_MULTI),
                        done(1)}};
  Exchange exchange(transport);
  const Dumped result = dump(exchange);
  CHECK(result.outcome.error == 0);
  CHECK(result.types == std::vector<std::uint16_t>{16, 17, 18});
}

TEST_CASE("an interrupted dump is repeated, and its answers are discarded") {
  ScriptedTransport transport;
  transport.replies = {{message(16, 1, Datagram(16), NLM_F_MULTI | NLM_F_DUMP_INTR), done(1)},
                       {message(17, 2, Datagram(16), NLM_F_MULTI), done(2, 0, NLM_F_DUMP_INTR)},
                       {message(18, 3, Datagram(16), NLM_F_MULTI), done(3)}};
  Exchange exchange(transport);
  const Dumped result = dump(exchange);
  CHECK(result.outcome.error == 0);
  CHECK(result.restarts == 2);
  CHECK(result.types == std::vector<std::uint16_t>{18});
  CHECK(transport.sent.size() == 3);
}

TEST_CASE("a dump that is interrupted repeatedly fails") {
  ScriptedTransport transport;
  for (std::uint32_t sequence = 1; sequence <= 1000; ++sequence) {
    transport.replies.push_back({done(sequence, 0, NLM_F_DUMP_INTR)});
  }
  Exchange exchange(transport);
  const Dumped result = dump(exchange);
  CHECK(result.outcome.error == EINTR);
  CHECK(!result.outcome.text.empty());
  CHECK(result.types.empty());
  CHECK(transport.sent.size() < 100);
}

TEST_CASE("a dump ends with the error of its last message or acknowledgement, or without an answer") {
  ScriptedTransport transport;
  Exchange exchange(transport);
  transport.replies = {{message(16, 1, Datagram(16), NLM_F_MULTI), done(1, -ENOENT)}};
  CHECK(dump(exchange).outcome.error == ENOENT);
  transport.replies = {{acknowledge(2, {.error = EOPNOTSUPP, .text = "no such dump"})}};
  const Dumped refused = dump(exchange);
  CHECK(refused.outcome.error == EOPNOTSUPP);
  CHECK(refused.outcome.text == "no such dump");
  transport.replies = {{message(16, 3, Datagram(16), NLM_F_MULTI)}};
  CHECK(dump(exchange).outcome.error == ETIMEDOUT);
}
