#pragma once

#include <string>

#include "netlink/reader.h"

namespace vethwork {

enum class Direction { sent, received };

/// Whether every message is to be told: `netlink` is in the list of the variable VETHWORK_DEBUG.
bool tracing();

/// Writes each message of a datagram to standard error, a line a message.
void trace(int protocol, Direction direction, Span datagram);

/// A message in words: its type, flags and sequence number, its fixed header, and its attributes as `type=value`; text
/// is quoted, other values are bytes in hexadecimal digits, and what looks like attributes itself is in braces.
std::string describeMessage(int protocol, const Message& message);

}  // namespace vethwork
