#pragma once

#include "netlink/batch.h"
#include "netlink/reader.h"
#include "schema/codec.h"
#include "value/value.h"

namespace vethwork {

/// Names of the protocols of connections.
const EnumNames& connectionProtocols();

/// Begins a dump of the connections of one family (NFPROTO_…), or of all (0).
void encodeConnectionDump(Batch& batch, std::uint8_t family);

/// Decodes a listed connection; null for other messages.
Value decodeConnection(const Message& message);

/// Appends a message that deletes a reported connection. Returns false and appends nothing if the report has no tuple:
/// a deletion without one would delete all connections.
bool encodeDelete(const Message& report, Batch& batch);

}  // namespace vethwork
