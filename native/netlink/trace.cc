#include "netlink/trace.h"

#include <linux/fib_rules.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace vethwork {
namespace {

constexpr int maximumTraceDepth = 8;
constexpr std::size_t maximumShown = 64;
constexpr std::uint16_t reasonableType = 512;

std::string hexadecimalBytes(Span bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes.first(std::min(bytes.size(), maximumShown))) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return bytes.size() > maximumShown ? text + "..." : text;
}

bool isText(Span payload) {
  return payload.size() > 1 && payload.back() == 0 &&
         std::ranges::all_of(payload.first(payload.size() - 1), [](std::uint8_t c) { return c >= ' ' && c < 0x7f; });
}

/// True if the payload consists of attributes from the first to the last byte. NLA_F_NESTED is often missing.
bool isNest(Span payload) {
  AttributeReader reader(payload);
  std::size_t size = 0;
  while (const auto attribute = reader.next()) {
    if (attribute->type == 0 || attribute->type >= reasonableType) {
      return false;
    }
    size = std::min<std::size_t>(size + NLA_ALIGN(NLA_HDRLEN + attribute->payload.size()), payload.size());
  }
  return size > 0 && size == payload.size();
}

void describeAttributes(Span attributes, int depth, std::string& text) {
  AttributeReader reader(attributes);
  while (const auto attribute = reader.next()) {
    if (!text.ends_with('{')) {
      text += ' ';
    }
    text += std::to_string(attribute->type);
    const Span payload = attribute->payload;
    if (isText(payload)) {
      text += "=\"" + std::string(payload.begin(), payload.end() - 1) + '"';
    } else if (depth < maximumTraceDepth && isNest(payload)) {
      text += '{';
      describeAttributes(payload, depth + 1, text);
      text += '}';
    } else if (!payload.empty()) {
      text += '=' + hexadecimalBytes(payload);
    }
  }
}

std::string messageTypeName(int protocol, std::uint16_t type) {
  constexpr std::array<std::string_view, 4> verbs{"NEW", "DEL", "GET", "SET"};
  constexpr std::array<std::string_view, 5> objects{"LINK", "ADDR", "ROUTE", "NEIGH", "RULE"};
  const std::size_t object = (type - RTM_BASE) / verbs.size();
  if (protocol == NETLINK_ROUTE && type >= RTM_BASE && object < objects.size()) {
    return "RTM_" + std::string(verbs[type % verbs.size()]) + std::string(objects[object]);
  }
  if (protocol == NETLINK_NETFILTER && type >= NLMSG_MIN_TYPE) {
    const std::uint16_t subsystem = NFNL_SUBSYS_ID(type);
    const std::string name = subsystem == NFNL_SUBSYS_NFTABLES    ? "nftables"
                             : subsystem == NFNL_SUBSYS_CTNETLINK ? "conntrack"
                                                                  : "netfilter " + std::to_string(subsystem);
    return name + ' ' + std::to_string(NFNL_MSG_TYPE(type));
  }
  return "type " + std::to_string(type);
}

/// Size of the fixed header before the attributes.
std::size_t headerSize(int protocol, std::uint16_t type) {
  if (protocol == NETLINK_NETFILTER) {
    return sizeof(nfgenmsg);
  }
  switch (type / 4 * 4) {
    case RTM_NEWADDR:
      return sizeof(ifaddrmsg);
    case RTM_NEWROUTE:
      return sizeof(rtmsg);
    case RTM_NEWNEIGH:
      return sizeof(ndmsg);
    case RTM_NEWRULE:
      return sizeof(fib_rule_hdr);
    default:
      return sizeof(ifinfomsg);
  }
}

std::string describeError(const Message& message) {
  const auto head = readAs<nlmsgerr>(message.payload);
  if (!head) {
    return " truncated";
  }
  if (head->error == 0) {
    return " acknowledged";
  }
  std::string text = ' ' + std::generic_category().message(reportedErrno(head->error));
  if ((message.header.nlmsg_flags & NLM_F_ACK_TLVS) != 0 && (message.header.nlmsg_flags & NLM_F_CAPPED) != 0) {
    describeAttributes(message.payload.subspan(sizeof *head), 0, text);
  }
  return text;
}

}  // namespace

bool tracing() {
  static const bool on = [] {
    const char* variable = std::getenv("VETHWORK_DEBUG");
    const std::string list = ',' + std::string(variable == nullptr ? "" : variable) + ',';
    return list.find(",netlink,") != std::string::npos;
  }();
  return on;
}

std::string describeMessage(int protocol, const Message& message) {
  const std::uint16_t type = message.header.nlmsg_type;
  const std::string sequence = " seq " + std::to_string(message.header.nlmsg_seq);
  if (type == NLMSG_ERROR) {
    return "answer" + sequence + describeError(message);
  }
  if (type == NLMSG_DONE) {
    return "done" + sequence;
  }
  constexpr std::string_view digits = "0123456789abcdef";
  const std::uint16_t flags = message.header.nlmsg_flags;
  std::string text = messageTypeName(protocol, type) + sequence + " flags 0x";
  for (const int shift : {8, 4, 0}) {
    text += digits[(flags >> shift) & 15];
  }
  const std::size_t size = std::min(headerSize(protocol, type), message.payload.size());
  text += " header " + hexadecimalBytes(message.payload.first(size));
  describeAttributes(message.payload.subspan(size), 0, text);
  return text;
}

void trace(int protocol, Direction direction, Span datagram) {
  const std::string_view start = direction == Direction::sent ? "netlink > " : "netlink < ";
  MessageReader reader(datagram);
  while (const auto message = reader.next()) {
    const std::string line = std::string(start) + describeMessage(protocol, *message) + '\n';
    // One write per line, so that lines of several threads do not mix. A failure is ignored.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  }
}

}  // namespace vethwork
