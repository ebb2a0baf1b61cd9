#pragma once

#include "conntrack/filter.h"
#include "netlink/exchange.h"

namespace vethwork {

/// Deletes the matching connections. A connection that has ended meanwhile is no error. @throws std::system_error
void deleteConnections(const ConnectionFilter& filter, Exchange& exchange);

}  // namespace vethwork
