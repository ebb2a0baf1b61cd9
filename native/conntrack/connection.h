#pragma once

#include "netlink/batch.h"
#include "netlink/reader.h"
#include "schema/codec.h"
#include "value/value.h"

namespace vethwork {

/// The protocols that connections are told with.
const Words& connectionProtocols();

/// Starts the dump of all connections, of one family (NFPROTO_…) or of any (0).
void encodeConnectionDump(Batch& batch, std::uint8_t family);

/// A connection as it is listed; null for other messages.
Value decodeConnection(const Message& message);

/// Adds the message that makes the kernel forget the connection it has just reported. Adds nothing, and returns false,
/// if the report does not say which connection it is: a deletion that names none would forget all.
bool encodeForget(const Message& report, Batch& batch);

}  // namespace vethwork
