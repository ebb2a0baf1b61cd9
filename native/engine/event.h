#pragma once

#include <span>
#include <string_view>

#include "netlink/reader.h"
#include "value/value.h"

namespace vethwork {

/// A watch topic and its netlink multicast groups.
struct Topic {
  std::string_view name;
  /// NETLINK_ROUTE or NETLINK_NETFILTER.
  int protocol;
  std::span<const unsigned int> groups;
};

std::span<const Topic> allTopics();

/// Decodes a notification as `{ event: 'link.changed', link: … }`; null if it is not an event. Objects are decoded as
/// in the corresponding list.
Value decodeEvent(const Message& message);

/// Message type that reports a committed nftables transaction. It is the only one of the group that is decoded.
extern const std::uint16_t nftablesGeneration;

}  // namespace vethwork
