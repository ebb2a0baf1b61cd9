#pragma once

#include "netlink/reader.h"
#include "schema/codec.h"

namespace vethwork {

/// Encodes the `inet` and `inet6` settings of a link (IFLA_AF_SPEC). @throws ValidationError
void encodeProtocolSettings(const Map& link, Encoder& to);

/// Decodes the settings into the link.
void decodeProtocolSettings(Span families, Map& link);

}  // namespace vethwork
