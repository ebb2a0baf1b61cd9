#pragma once

#include <span>
#include <string_view>

#include "netlink/reader.h"
#include "value/value.h"

namespace vethwork {

/// What can be watched: the multicast groups in which the kernel tells of it.
struct Topic {
  std::string_view name;
  /// NETLINK_ROUTE or NETLINK_NETFILTER.
  int protocol;
  std::span<const unsigned int> groups;
};

std::span<const Topic> allTopics();

/// A notification as an event, `{ event: 'link.changed', link: … }`; null for one that says nothing here. What it is
/// about is decoded as in the list of such objects.
Value decodeEvent(const Message& message);

/// The one message of the nftables group that is an event: a transaction was committed.
extern const std::uint16_t nftablesGeneration;

}  // namespace vethwork
