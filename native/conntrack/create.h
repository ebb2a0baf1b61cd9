#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "conntrack/tuple.h"
#include "netlink/exchange.h"

namespace vethwork {

/// State of a TCP connection (CTA_PROTOINFO_TCP_…).
struct TcpProgress {
  std::uint8_t state = 0;
  std::uint8_t originalWindowScale = 0;
  std::uint8_t replyWindowScale = 0;
  /// IP_CT_TCP_FLAG_…
  std::uint8_t originalFlags = 0;
  std::uint8_t replyFlags = 0;
};

/// A connection that is to be written, as it is listed.
struct NewConnection {
  ConnectionTuple original;
  /// After translation. Its differences from `original` are the translation (NAT) that the kernel sets up.
  ConnectionTuple reply;
  /// IPS_…, without those that only the kernel may set.
  std::uint32_t status = 0;
  /// Seconds.
  std::uint32_t timeout = 0;
  std::optional<std::uint32_t> mark = {};
  std::optional<std::uint16_t> zone = {};
  std::optional<TcpProgress> tcp = {};

  /// Reads a connection. Properties that the kernel reports and that cannot be written, such as `id`, are ignored.
  /// @throws ValidationError
  static NewConnection parse(const Value& value, Path& path);

  /// Appends a message that creates the connection. EEXIST if one of its tuples is tracked.
  void encode(Batch& batch) const;
  /// Appends messages that delete the connections that have one of the tuples.
  void encodeRemoval(Batch& batch) const;
};

/// Creates connections; with `replaces`, instead of the connections that have one of their tuples. All are tried before
/// the first error is thrown. @throws std::system_error
void createConnections(std::span<const NewConnection> connections, bool replaces, Exchange& exchange);

}  // namespace vethwork
