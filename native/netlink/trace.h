#pragma once

#include <string>

#include "netlink/reader.h"

namespace vethwork {

enum class Direction { sent, received };

/// True if messages are to be traced: the list in the environment variable VETHWORK_DEBUG contains `netlink`.
bool tracing();

/// Writes one line for each message of a datagram to standard error.
void trace(int protocol, Direction direction, Span datagram);

/// Formats a message: type, flags, sequence number, fixed header, and attributes as `type=value`. Text is quoted, other
/// values are hexadecimal, and nested attributes are in braces.
std::string describeMessage(int protocol, const Message& message);

}  // namespace vethwork
