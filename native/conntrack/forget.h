#pragma once

#include "conntrack/filter.h"
#include "netlink/exchange.h"

namespace vethwork {

/// Forgets the connections that match. One that ended meanwhile counts as forgotten. @throws std::system_error
void forgetConnections(const ConnectionFilter& filter, Exchange& exchange);

}  // namespace vethwork
