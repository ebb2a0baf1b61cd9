#pragma once

#include <linux/netfilter/nfnetlink.h>

#include <cstdint>
#include <optional>

#include "netlink/batch.h"
#include "netlink/reader.h"

namespace vethwork {

/// Starts a message to a part of netfilter (NFNL_SUBSYS_…) with the header that all of them share.
void beginNetfilter(Batch& batch, std::uint8_t subsystem, std::uint8_t message, std::uint16_t flags,
                    std::uint8_t family);

/// A dump's or a reply's header, if the message is the one expected.
std::optional<nfgenmsg> netfilterHeader(const Message& message, std::uint8_t subsystem, std::uint8_t expected);

}  // namespace vethwork
