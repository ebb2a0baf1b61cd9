#pragma once

#include <cstdint>
#include <optional>

#include "netlink/batch.h"
#include "netlink/reader.h"
#include "schema/codec.h"
#include "value/value.h"

namespace vethwork {

/// Names of the protocols of connections.
const EnumNames& connectionProtocols();

/// Names of address families (NFPROTO_…), of status bits (IPS_…) and of TCP states (TCP_CONNTRACK_…).
const EnumNames& connectionFamilies();
const EnumNames& connectionStates();
const EnumNames& tcpStates();

/// Begins a dump of the connections of one family (NFPROTO_…), or of all (0); with `mark`, of those with the mark.
void encodeConnectionDump(Batch& batch, std::uint8_t family, std::optional<std::uint32_t> mark = {});

/// Decodes a listed connection; null for other messages.
Value decodeConnection(const Message& message);

/// Appends a message that deletes a reported connection. Returns false and appends nothing if the report has no tuple:
/// a deletion without one would delete all connections.
bool encodeDelete(const Message& report, Batch& batch);

}  // namespace vethwork
