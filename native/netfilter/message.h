#pragma once

#include <linux/netfilter/nfnetlink.h>

#include <cstdint>
#include <optional>

#include "netlink/batch.h"
#include "netlink/reader.h"

namespace vethwork {

/// Begins a message of a netfilter subsystem (NFNL_SUBSYS_…) with its common header.
void beginNetfilter(Batch& batch, std::uint8_t subsystem, std::uint8_t message, std::uint16_t flags,
                    std::uint8_t family);

/// Returns the header of a dump or reply message if it has the expected type.
std::optional<nfgenmsg> netfilterHeader(const Message& message, std::uint8_t subsystem, std::uint8_t expected);

}  // namespace vethwork
