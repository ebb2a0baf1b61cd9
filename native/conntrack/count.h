#pragma once

#include <cstdint>

#include "netlink/exchange.h"

namespace vethwork {

/// How many connections are tracked in the socket's namespace. All namespaces share one table, of a quarter of a
/// million buckets on an ordinary machine, and a dump goes through all of them; the count is at hand.
/// @throws std::system_error
std::uint32_t countConnections(Exchange& exchange);

}  // namespace vethwork
