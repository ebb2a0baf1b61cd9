#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

using MacAddress = std::array<std::uint8_t, 6>;

std::optional<MacAddress> parseMac(std::string_view text);
std::string formatMac(const MacAddress& address);

/// An IPv4 or IPv6 address, with a prefix length if it is a network.
class IpAddress {
 public:
  static std::optional<IpAddress> parse(const std::string& text);
  /// From 4 or 16 bytes; empty otherwise.
  static std::optional<IpAddress> read(std::span<const std::uint8_t> bytes);

  /// AF_INET or AF_INET6.
  [[nodiscard]] std::uint8_t family() const { return family_; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size()}; }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::uint8_t bits() const { return static_cast<std::uint8_t>(size() * 8); }

 private:
  [[nodiscard]] std::size_t size() const;

  std::uint8_t family_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
};

struct IpPrefix {
  IpAddress address;
  std::uint8_t length;
};

/// @throws ValidationError
IpAddress ip(const Value& value, const Path& path);
/// Like above, for one family: the kernel reads only as many bytes as an address of the family has. @throws
/// ValidationError
IpAddress ip(const Value& value, std::uint8_t family, const Path& path);
/// Parses `10.0.0.0/8`; without a length, all bits are significant. @throws ValidationError
IpPrefix prefix(const Value& value, const Path& path);

std::string formatPrefix(std::string_view address, std::uint8_t length);

}  // namespace vethwork
