#pragma once

#include <cstdint>
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
  /// The only message types of the groups that are events; empty for all. Others do not fill the receive buffer.
  std::span<const std::uint16_t> types = {};
  /// Watched by default.
  bool isUsual = true;
};

std::span<const Topic> allTopics();

/// Decodes a notification as `{ event: 'link.changed', link: … }`; null if it is not an event. Objects are decoded as
/// in the corresponding list.
Value decodeEvent(const Message& message);

}  // namespace vethwork
