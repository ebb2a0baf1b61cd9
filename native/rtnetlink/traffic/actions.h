#pragma once

#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// Writes the `actions` of a filter, which are done one after the other. @throws ValidationError
void encodeActions(const Map& options, std::uint16_t attribute, Encoder& to);

List decodeActions(Span actions);

}  // namespace vethwork
