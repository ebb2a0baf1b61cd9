#include "netlink/faulty_transport.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <signal.h>

#include <cerrno>
#include <cstring>

namespace vethwork {
namespace {

nlmsghdr headerAt(std::span<const std::uint8_t> bytes, std::size_t offset) {
  nlmsghdr header;
  std::memcpy(&header, bytes.data() + offset, sizeof header);
  return header;
}

void setHeaderAt(std::span<std::uint8_t> bytes, std::size_t offset, const nlmsghdr& header) {
  std::memcpy(bytes.data() + offset, &header, sizeof header);
}

/// The begin and end messages of an nftables batch are not steps.
bool isFrame(const nlmsghdr& header) {
  return header.nlmsg_type == NFNL_MSG_BATCH_BEGIN || header.nlmsg_type == NFNL_MSG_BATCH_END;
}

bool isDump(const nlmsghdr& header) { return (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP; }

/// Calls `visit` for each message until it returns false.
template <typename Visit>
void walk(std::span<const std::uint8_t> bytes, Visit&& visit) {
  for (std::size_t offset = 0; offset + sizeof(nlmsghdr) <= bytes.size();) {
    const nlmsghdr header = headerAt(bytes, offset);
    if (header.nlmsg_len < sizeof header || !visit(offset, header)) {
      return;
    }
    offset += NLMSG_ALIGN(header.nlmsg_len);
  }
}

}  // namespace

int FaultyTransport::send(std::span<const std::uint8_t> bytes) {
  fault_.reset();
  return Faults::instance().armed() ? sendFaulty(bytes) : inner_.send(bytes);
}

int FaultyTransport::sendFaulty(std::span<const std::uint8_t> bytes) {
  std::size_t due = 0;
  walk(bytes, [&](std::size_t offset, const nlmsghdr& header) {
    if (!isFrame(header)) {
      fault_ = Faults::instance().step(isDump(header) ? Faults::Step::dump : Faults::Step::message);
    }
    due = offset;
    return !fault_;
  });
  if (!fault_ || fault_->kind == Fault::Kind::cutAnswer || fault_->kind == Fault::Kind::loseAnswer ||
      fault_->kind == Fault::Kind::interruptDump) {
    return inner_.send(bytes);
  }
  if (fault_->kind == Fault::Kind::kill) {
    if (due > 0) {
      (void)inner_.send(bytes.first(due));
    }
    ::raise(SIGKILL);
  }
  // The message is turned into one without effect that the kernel acknowledges. The acknowledgement is then turned into
  // the failure.
  std::vector<std::uint8_t> changed(bytes.begin(), bytes.end());
  nlmsghdr header = headerAt(changed, due);
  refused_ = header.nlmsg_seq;
  header.nlmsg_type = NLMSG_NOOP;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  setHeaderAt(changed, due, header);
  return inner_.send(changed);
}

std::int64_t FaultyTransport::receive(std::span<std::uint8_t> buffer) {
  if (fault_ && fault_->kind == Fault::Kind::loseAnswer) {
    fault_.reset();
    return -ENOBUFS;
  }
  const std::int64_t received = inner_.receive(buffer);
  if (!fault_ || received <= 0) {
    return received;
  }
  const auto answers = buffer.first(static_cast<std::size_t>(received));
  switch (fault_->kind) {
    case Fault::Kind::cutAnswer:
      fault_.reset();
      return received / 2;
    case Fault::Kind::interruptDump:
      walk(answers, [&](std::size_t offset, nlmsghdr header) {
        header.nlmsg_flags |= NLM_F_DUMP_INTR;
        setHeaderAt(answers, offset, header);
        return false;
      });
      fault_.reset();
      return received;
    default:
      refuse(answers);
      return received;
  }
}

void FaultyTransport::refuse(std::span<std::uint8_t> answers) {
  walk(answers, [&](std::size_t offset, const nlmsghdr& header) {
    if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_seq == refused_) {
      const int error = -fault_->error;
      std::memcpy(answers.data() + offset + NLMSG_HDRLEN, &error, sizeof error);
      fault_.reset();
      return false;
    }
    return true;
  });
}

}  // namespace vethwork
