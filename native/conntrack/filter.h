#pragma once

#include <optional>
#include <vector>

#include "netlink/reader.h"
#include "schema/address.h"
#include "schema/encoder.h"

namespace vethwork {

/// Selects connections. Absent fields match any value.
struct ConnectionFilter {
  /// An address or port of one end of a direction; of either end if `end` is absent.
  struct Endpoint {
    enum class End { source, destination };
    std::optional<End> end = {};
    std::optional<IpAddress> address = {};
    std::optional<std::uint16_t> port = {};
  };

  /// Endpoints with an `end` must match the same direction; each of the others may match any.
  std::vector<Endpoint> endpoints = {};
  /// The only direction to match (CTA_TUPLE_…); any if absent.
  std::optional<std::uint16_t> direction = {};
  std::optional<std::uint32_t> mark = {};
  /// IPPROTO_…
  std::optional<std::uint8_t> protocol = {};
  /// Zone of both directions or of one. Connections without a zone are in zone 0.
  std::optional<std::uint16_t> zone = {};

  /// Reads a filter. At least one field is required, so that a mistake does not delete all connections. @throws
  /// ValidationError
  static ConnectionFilter parse(const Value& value, Path& path);

  /// Family of the dump (NFPROTO_…); 0 for all.
  [[nodiscard]] std::uint8_t family() const;
  [[nodiscard]] bool matches(const Message& report) const;
};

}  // namespace vethwork
