#pragma once

#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// Encodes the `actions` of a filter, which are executed in order. @throws ValidationError
void encodeActions(const Map& options, std::uint16_t attribute, Encoder& to);

List decodeActions(Span actions);

}  // namespace vethwork
