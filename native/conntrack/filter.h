#pragma once

#include <optional>

#include "netlink/reader.h"
#include "schema/address.h"
#include "schema/encoder.h"

namespace vethwork {

/// Chooses connections; what is not given matches any.
struct ConnectionFilter {
  /// Source or destination of either direction.
  std::optional<IpAddress> address;
  std::optional<std::uint32_t> mark;
  /// IPPROTO_…
  std::optional<std::uint8_t> protocol = {};
  /// Of source or destination, in either direction.
  std::optional<std::uint16_t> port = {};

  /// At least one must be given, so that nothing forgets all connections by accident. @throws ValidationError
  static ConnectionFilter parse(const Value& value, Path& path);

  /// NFPROTO_… to ask the kernel for; 0 for any.
  [[nodiscard]] std::uint8_t family() const { return address ? address->family() : std::uint8_t{0}; }
  [[nodiscard]] bool matches(const Message& report) const;
};

}  // namespace vethwork
