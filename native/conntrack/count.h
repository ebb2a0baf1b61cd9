#pragma once

#include <cstdint>

#include "netlink/exchange.h"

namespace vethwork {

/// Returns the number of tracked connections of the socket's namespace (IPCTNL_MSG_CT_GET_STATS). A dump would iterate
/// the hash table, which all namespaces share and which usually has 262144 buckets.
/// @throws std::system_error
std::uint32_t countConnections(Exchange& exchange);

}  // namespace vethwork
