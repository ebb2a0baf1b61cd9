#pragma once

#include <cstdint>
#include <optional>

#include "netlink/batch.h"
#include "schema/address.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// One direction of a connection that is to be written.
struct ConnectionTuple {
  IpAddress source;
  IpAddress destination;
  /// IPPROTO_…
  std::uint8_t protocol = 0;
  std::optional<std::uint16_t> sourcePort = {};
  std::optional<std::uint16_t> destinationPort = {};
  std::optional<std::uint16_t> icmpId = {};
  std::optional<std::uint8_t> icmpType = {};
  std::optional<std::uint8_t> icmpCode = {};
  std::optional<std::uint16_t> zone = {};

  /// Reads a tuple as it is listed. @throws ValidationError
  static ConnectionTuple parse(const Value& value, Path& path);

  /// Ports of the other direction of a connection without translation; ICMP has the same id.
  [[nodiscard]] ConnectionTuple translatedBack(const ConnectionTuple& reply) const;

  /// Appends the tuple as a nested attribute (CTA_TUPLE_ORIG or CTA_TUPLE_REPLY).
  void encode(std::uint16_t attribute, Batch& batch) const;
};

/// Appends the end of a direction to which a connection is translated (CTA_NAT_SRC or CTA_NAT_DST).
void encodeTranslation(std::uint16_t attribute, const IpAddress& address, std::optional<std::uint16_t> port,
                       Batch& batch);

}  // namespace vethwork
