#pragma once

#include <optional>
#include <vector>

#include "netlink/reader.h"
#include "schema/address.h"
#include "schema/encoder.h"

namespace vethwork {

/// Chooses connections; what is not given matches any.
struct ConnectionFilter {
  /// An address or a port of one end of a direction; of either, where none is said.
  struct Endpoint {
    enum class End { source, destination };
    std::optional<End> end = {};
    std::optional<IpAddress> address = {};
    std::optional<std::uint16_t> port = {};
  };

  /// Those of an end have to be in one direction, each of the others in any.
  std::vector<Endpoint> endpoints = {};
  /// CTA_TUPLE_…: the only direction in which they are looked for.
  std::optional<std::uint16_t> direction = {};
  std::optional<std::uint32_t> mark = {};
  /// IPPROTO_…
  std::optional<std::uint8_t> protocol = {};
  /// Of both directions or of one of them. Connections that are in none are in zone 0.
  std::optional<std::uint16_t> zone = {};

  /// At least one must be given, so that nothing forgets all connections by accident. @throws ValidationError
  static ConnectionFilter parse(const Value& value, Path& path);

  /// NFPROTO_… to ask the kernel for; 0 for any.
  [[nodiscard]] std::uint8_t family() const;
  [[nodiscard]] bool matches(const Message& report) const;
};

}  // namespace vethwork
