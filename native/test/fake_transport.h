#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <vector>

#include "netlink/transport.h"
#include "test/messages.h"

namespace vethwork::test {

/// A transport whose answers the test defines. It records sent messages.
class FakeTransport final : public Transport {
 public:
  /// Called for each sent message; appends answers.
  std::function<void(const Message& message, FakeTransport& kernel)> onMessage;
  std::vector<Bytes> sent;
  std::deque<Bytes> answers;

  int send(std::span<const std::uint8_t> bytes) override {
    sent.emplace_back(bytes.begin(), bytes.end());
    MessageReader reader(sent.back());
    while (const auto message = reader.next()) {
      if (onMessage) {
        onMessage(*message, *this);
      }
    }
    return 0;
  }

  /// -EAGAIN without an answer.
  std::int64_t receive(std::span<std::uint8_t> buffer) override {
    if (answers.empty()) {
      return -EAGAIN;
    }
    const Bytes answer = std::move(answers.front());
    answers.pop_front();
    std::ranges::copy(answer, buffer.begin());
    return static_cast<std::int64_t>(answer.size());
  }

  /// Creates an acknowledgement, or the failure `error`.
  void acknowledge(const Message& message, int error = 0) {
    nlmsgerr body{.error = -error, .msg = message.header};
    answer(NLMSG_ERROR, NLM_F_CAPPED, message, &body, sizeof body);
  }

  void answer(std::uint16_t type, std::uint16_t flags, const Message& to, const void* payload, std::size_t size) {
    nlmsghdr header{.nlmsg_len = static_cast<__u32>(sizeof header + size),
                    .nlmsg_type = type,
                    .nlmsg_flags = flags,
                    .nlmsg_seq = to.header.nlmsg_seq,
                    .nlmsg_pid = 0};
    Bytes bytes(sizeof header + size);
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, payload, size);
    answers.push_back(std::move(bytes));
  }
};

}  // namespace vethwork::test
