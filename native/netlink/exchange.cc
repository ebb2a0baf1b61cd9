#include "netlink/exchange.h"

#include <cerrno>
#include <span>

namespace vethwork {
namespace {

constexpr int dumpAttempts = 8;

/// Receive buffer of a thread. An exchange often lives for one send, so an own buffer would be noticeable.
std::span<std::uint8_t> receiveBuffer() {
  thread_local std::vector<std::uint8_t> buffer(64 << 10);
  return buffer;
}

/// Parses an NLMSG_ERROR message. It is an acknowledgement if the error is 0.
Outcome readError(const Message& message) {
  const auto head = readAs<nlmsgerr>(message.payload);
  if (!head) {
    return {.error = EBADMSG, .text = "truncated acknowledgement", .offset = {}};
  }
  Outcome outcome{.error = reportedErrno(head->error), .text = {}, .offset = {}};
  if ((message.header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) {
    return outcome;
  }
  // Without NLM_F_CAPPED, the request is repeated before the attributes.
  std::size_t skip = sizeof(nlmsgerr);
  if ((message.header.nlmsg_flags & NLM_F_CAPPED) == 0) {
    skip += NLMSG_ALIGN(head->msg.nlmsg_len) - NLMSG_HDRLEN;
  }
  if (skip > message.payload.size()) {
    return outcome;
  }
  AttributeReader reader(message.payload.subspan(skip));
  while (const auto attribute = reader.next()) {
    if (attribute->type == NLMSGERR_ATTR_MSG && !attribute->payload.empty()) {
      const auto* text = reinterpret_cast<const char*>(attribute->payload.data());
      outcome.text.assign(text, ::strnlen(text, attribute->payload.size()));
    } else if (attribute->type == NLMSGERR_ATTR_OFFS) {
      outcome.offset = readAs<std::uint32_t>(attribute->payload);
    }
  }
  return outcome;
}

}  // namespace

std::vector<Outcome> Exchange::request(Batch& batch, const ReplyHandler& onReply) {
  std::vector<Outcome> outcomes(batch.size());
  if (batch.size() == 0) {
    return outcomes;
  }
  const std::uint32_t first = sequence_;
  sequence_ += static_cast<std::uint32_t>(batch.size());
  batch.seal(first);
  const std::size_t last = batch.lastAnswered();

  const auto failAll = [&](int error) {
    for (Outcome& outcome : outcomes) {
      outcome = {.error = error, .text = {}, .offset = {}};
    }
  };
  if (const int error = transport_.send(batch.bytes()); error != 0) {
    failAll(error);
    return outcomes;
  }
  const std::span<std::uint8_t> buffer = receiveBuffer();
  for (;;) {
    const std::int64_t received = transport_.receive(buffer);
    if (received < 0) {
      // The last answer is missing: the outcome of messages without a reported failure is unknown.
      for (Outcome& outcome : outcomes) {
        if (outcome.error == 0) {
          outcome.error = received == -EAGAIN ? ETIMEDOUT : static_cast<int>(-received);
        }
      }
      return outcomes;
    }
    MessageReader reader(Span(buffer).first(static_cast<std::size_t>(received)));
    while (const auto message = reader.next()) {
      const std::uint32_t index = message->header.nlmsg_seq - first;
      if (index >= outcomes.size()) {
        continue;  // an answer to an earlier request that timed out
      }
      if (message->header.nlmsg_type != NLMSG_ERROR) {
        if (onReply) {
          onReply(index, *message);
        }
        continue;
      }
      outcomes[index] = readError(*message);
      const bool failedAsWhole = batch.answer(index) == Batch::Answer::failure && outcomes[index].error != 0;
      if (index == last || failedAsWhole) {
        return outcomes;
      }
    }
  }
}

Outcome Exchange::dump(Batch& batch, const MessageHandler& onReply, const std::function<void()>& onRestart) {
  for (int attempt = 0; attempt < dumpAttempts; ++attempt) {
    DumpEnd end = DumpEnd::complete;
    Outcome outcome = dumpOnce(batch, onReply, end);
    if (outcome.error != 0 || end == DumpEnd::complete) {
      return outcome;
    }
    onRestart();
  }
  return {.error = EINTR, .text = "the dump was interrupted repeatedly by concurrent changes", .offset = {}};
}

Outcome Exchange::dumpOnce(Batch& batch, const MessageHandler& onReply, DumpEnd& end) {
  const std::uint32_t sequence = sequence_++;
  batch.seal(sequence);
  if (const int error = transport_.send(batch.bytes()); error != 0) {
    return {.error = error, .text = {}, .offset = {}};
  }
  const std::span<std::uint8_t> buffer = receiveBuffer();
  for (;;) {
    const std::int64_t received = transport_.receive(buffer);
    if (received < 0) {
      return {.error = received == -EAGAIN ? ETIMEDOUT : static_cast<int>(-received), .text = {}, .offset = {}};
    }
    MessageReader reader(Span(buffer).first(static_cast<std::size_t>(received)));
    while (const auto message = reader.next()) {
      if (message->header.nlmsg_seq != sequence) {
        continue;
      }
      if ((message->header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
        end = DumpEnd::interrupted;
      }
      if (message->header.nlmsg_type == NLMSG_ERROR) {
        return readError(*message);
      }
      if (message->header.nlmsg_type == NLMSG_DONE) {
        const auto error = readAs<int>(message->payload);
        return {.error = error && *error < 0 ? reportedErrno(*error) : 0, .text = {}, .offset = {}};
      }
      onReply(*message);
    }
  }
}

}  // namespace vethwork
