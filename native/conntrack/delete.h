#pragma once

#include <span>

#include "conntrack/filter.h"
#include "netlink/exchange.h"

namespace vethwork {

/// Deletes the connections that match any of the filters. A connection that has ended meanwhile is no error. All
/// namespaces share one hash table, usually of 262144 buckets. A filter of one address is evaluated by the kernel,
/// which skips empty buckets (0.3 ms for each end of a direction). For other filters, many filters, and before Linux
/// 6.11, the connections are listed, which locks each bucket (10 to 20 ms), and then deleted one by one.
/// @throws std::system_error
void deleteConnections(std::span<const ConnectionFilter> filters, Exchange& exchange);

}  // namespace vethwork
