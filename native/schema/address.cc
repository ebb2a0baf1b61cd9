#include "schema/address.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

namespace vethwork {
namespace {

std::optional<std::uint8_t> hexByte(std::string_view text) {
  std::uint8_t byte = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), byte, 16);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(byte) : std::nullopt;
}

}  // namespace

std::optional<MacAddress> parseMac(std::string_view text) {
  MacAddress address{};
  if (text.size() != address.size() * 3 - 1) {
    return std::nullopt;
  }
  for (std::size_t index = 0; index < address.size(); ++index) {
    const auto byte = hexByte(text.substr(index * 3, 2));
    if (!byte || (index + 1 < address.size() && text[index * 3 + 2] != ':')) {
      return std::nullopt;
    }
    address[index] = *byte;
  }
  return address;
}

std::string formatMac(const MacAddress& address) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : address) {
    if (!text.empty()) {
      text += ':';
    }
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::size_t IpAddress::size() const { return family_ == AF_INET ? 4 : 16; }

std::optional<IpAddress> IpAddress::parse(const std::string& text) {
  IpAddress address;
  if (text.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, text.c_str(), address.bytes_.data()) == 1) {
      address.family_ = static_cast<std::uint8_t>(family);
      return address;
    }
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::read(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) {
    return std::nullopt;
  }
  IpAddress address;
  address.family_ = bytes.size() == 4 ? AF_INET : AF_INET6;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family_, bytes_.data(), text.data(), text.size()) == nullptr ? std::string() : text.data();
}

IpAddress ip(const Value& value, const Path& path) {
  const auto* text = value.as<std::string>();
  const auto address = text == nullptr ? std::nullopt : IpAddress::parse(*text);
  if (!address) {
    path.reject(value, "an IP address");
  }
  return *address;
}

IpAddress ip(const Value& value, std::uint8_t family, const Path& path) {
  const IpAddress address = ip(value, path);
  if (address.family() != family) {
    path.reject(value, family == AF_INET ? "an IPv4 address" : "an IPv6 address");
  }
  return address;
}

IpPrefix prefix(const Value& value, const Path& path) {
  constexpr std::string_view expected = "an IP address with a prefix length, such as 10.0.0.0/8";
  const auto* text = value.as<std::string>();
  if (text == nullptr) {
    path.reject(value, expected);
  }
  const std::size_t slash = text->find('/');
  const auto address = IpAddress::parse(text->substr(0, slash));
  if (!address) {
    path.reject(value, expected);
  }
  if (slash == std::string::npos) {
    return {*address, address->bits()};
  }
  std::uint8_t length = 0;
  const char* last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data() + slash + 1, last, length);
  if (error != std::errc() || end != last || length > address->bits()) {
    path.reject(value, expected);
  }
  return {*address, length};
}

std::string formatPrefix(std::string_view address, std::uint8_t length) {
  return std::string(address) + '/' + std::to_string(length);
}

}  // namespace vethwork
