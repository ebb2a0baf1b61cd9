#pragma once

#include "netlink/reader.h"
#include "schema/codec.h"

namespace vethwork {

/// Writes what a link is to have for IPv4 and IPv6 (IFLA_AF_SPEC), from its `inet` and `inet6`. @throws ValidationError
void encodeProtocolSettings(const Map& link, Encoder& to);

/// Reads them into the link.
void decodeProtocolSettings(Span families, Map& link);

}  // namespace vethwork
