#include "nftables/type.h"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <bit>

#include "nftables/message.h"
#include "schema/address.h"

namespace vethwork {
namespace {

using Form = BasicType::Form;

constexpr std::array<BasicType, 21> basicTypes{{
    {"nf_proto", 2, 1, Form::number, true},
    {"ipv4_addr", 7, 4, Form::address4},
    {"ipv6_addr", 8, 16, Form::address6},
    {"ether_addr", 9, 6, Form::mac},
    {"ether_type", 10, 2, Form::number},
    {"inet_proto", 12, 1, Form::number},
    {"inet_service", 13, 2, Form::number},
    {"icmp_type", 14, 1, Form::number},
    {"mark", 19, 4, Form::number, true},
    {"iface_index", 20, 4, Form::number, true},
    {"iface_type", 21, 2, Form::number, true},
    {"uid", 24, 4, Form::number, true},
    {"gid", 25, 4, Form::number, true},
    {"ct_state", 26, 4, Form::number, true},
    {"ct_dir", 27, 1, Form::number, true},
    {"ct_status", 28, 4, Form::number, true},
    {"icmpv6_type", 29, 1, Form::number},
    {"pkt_type", 31, 1, Form::number, true},
    {"devgroup", 35, 4, Form::number, true},
    {"fib_addrtype", 38, 4, Form::number, true},
    // A text, which nft treats as a host-order number.
    {"ifname", 41, IFNAMSIZ, Form::name, true},
}};

/// Concatenated types are encoded with six bits for each part.
constexpr unsigned partBits = 6;
constexpr std::uint32_t partMask = (1 << partBits) - 1;
constexpr std::size_t maximumParts = 32 / partBits;
constexpr std::string_view joint = " . ";

const BasicType* byName(std::string_view name) {
  const auto found = std::ranges::find(basicTypes, name, &BasicType::name);
  return found == basicTypes.end() ? nullptr : &*found;
}

const BasicType* byNumber(std::uint32_t number) {
  const auto found = std::ranges::find(basicTypes, number, &BasicType::number);
  return found == basicTypes.end() ? nullptr : &*found;
}

bool isReversed(const BasicType& type, NftType::Use use) {
  return std::endian::native == std::endian::little && !(type.hostOrder && use == NftType::Use::exact);
}

Bytes encodeNumber(const BasicType& type, const Value& value, const Path& path, NftType::Use use) {
  const std::int64_t maximum = (std::int64_t{1} << (type.size * 8)) - 1;
  const std::int64_t number = integer(value, path, 0, maximum);
  Bytes bytes(type.size);
  for (std::size_t index = 0; index < bytes.size(); ++index) {
    bytes[index] = static_cast<std::uint8_t>(number >> (index * 8));
  }
  if (isReversed(type, use) != (std::endian::native == std::endian::big)) {
    std::ranges::reverse(bytes);
  }
  return bytes;
}

Value decodeNumber(const BasicType& type, Span bytes, NftType::Use use) {
  Bytes ordered(bytes.begin(), bytes.end());
  if (isReversed(type, use) != (std::endian::native == std::endian::big)) {
    std::ranges::reverse(ordered);
  }
  std::int64_t number = 0;
  for (std::size_t index = 0; index < ordered.size(); ++index) {
    number |= std::int64_t{ordered[index]} << (index * 8);
  }
  return number;
}

Bytes encodePart(const BasicType& type, const Value& value, const Path& path, NftType::Use use) {
  if (const auto* bytes = value.as<Bytes>()) {
    if (bytes->size() != type.size) {
      path.reject(value, std::to_string(type.size) + " bytes");
    }
    return *bytes;
  }
  if (type.form == Form::number) {
    return encodeNumber(type, value, path, use);
  }
  const auto* text = value.as<std::string>();
  if (type.form == Form::mac) {
    const auto address = text == nullptr ? std::nullopt : parseMac(*text);
    if (!address) {
      path.reject(value, "a MAC address such as 02:00:00:bd:cd:9b");
    }
    return {address->begin(), address->end()};
  }
  if (type.form == Form::name) {
    if (text == nullptr || text->empty() || text->size() >= IFNAMSIZ || text->find('\0') != std::string::npos) {
      path.reject(value, "an interface name of 1 to 15 bytes");
    }
    Bytes padded(text->begin(), text->end());
    padded.resize(IFNAMSIZ);
    return padded;
  }
  const auto address = text == nullptr ? std::nullopt : IpAddress::parse(*text);
  if (!address || address->bytes().size() != type.size) {
    path.reject(value, type.form == Form::address4 ? "an IPv4 address" : "an IPv6 address");
  }
  return {address->bytes().begin(), address->bytes().end()};
}

Value decodePart(const BasicType& type, Span bytes, NftType::Use use) {
  switch (type.form) {
    case Form::address4:
    case Form::address6:
      return IpAddress::read(bytes)->text();
    case Form::mac:
      return formatMac(*readAs<MacAddress>(bytes));
    case Form::name:
      return std::string(bytes.begin(), std::ranges::find(bytes, 0));
    case Form::number:
      return decodeNumber(type, bytes, use);
  }
  return {};
}

}  // namespace

NftType NftType::parse(const Value& text, const Path& path) {
  NftType type;
  std::string_view rest = string(text, path);
  for (;;) {
    const std::size_t end = rest.find(joint);
    const BasicType* part = byName(rest.substr(0, end));
    if (part == nullptr || type.parts_.size() == maximumParts) {
      path.reject(text, "a type as nft names it, such as ipv4_addr, or up to five joined by ' . '");
    }
    type.parts_.push_back(part);
    if (end == std::string_view::npos) {
      return type;
    }
    rest.remove_prefix(end + joint.size());
  }
}

std::optional<NftType> NftType::of(std::uint32_t number) {
  NftType type;
  for (; number != 0; number >>= partBits) {
    const BasicType* part = byNumber(number & partMask);
    if (part == nullptr || type.parts_.size() == maximumParts) {
      return std::nullopt;
    }
    type.parts_.insert(type.parts_.begin(), part);
  }
  return type.parts_.empty() ? std::nullopt : std::optional(type);
}

std::string NftType::name() const {
  std::string name;
  for (const BasicType* part : parts_) {
    name += name.empty() ? "" : joint;
    name += part->name;
  }
  return name;
}

std::uint32_t NftType::number() const {
  std::uint32_t number = 0;
  for (const BasicType* part : parts_) {
    number = number << partBits | part->number;
  }
  return number;
}

std::size_t NftType::size() const {
  if (!isConcatenation()) {
    return parts_.front()->size;
  }
  std::size_t size = 0;
  for (const BasicType* part : parts_) {
    size += paddedSize(*part);
  }
  return size;
}

Bytes NftType::encode(const Value& value, Path& path, Use use) const {
  if (!isConcatenation()) {
    return encodePart(*parts_.front(), value, path, use);
  }
  const auto* list = value.as<List>();
  if (list == nullptr || list->size() != parts_.size()) {
    path.reject(value, "a list of " + std::to_string(parts_.size()) + " values: " + name());
  }
  Bytes whole;
  for (std::size_t position = 0; position < parts_.size(); ++position) {
    const std::string label = listLabel(position);
    const auto scope = path.at(label);
    const Bytes part = encodePart(*parts_[position], (*list)[position], path, use);
    whole.insert(whole.end(), part.begin(), part.end());
    whole.resize((whole.size() + 3) & ~std::size_t{3});
  }
  return whole;
}

Value NftType::decode(Span bytes, Use use) const {
  if (parts_.empty() || bytes.size() < size()) {
    return Bytes(bytes.begin(), bytes.end());
  }
  if (!isConcatenation()) {
    return decodePart(*parts_.front(), bytes.first(size()), use);
  }
  List list;
  for (const BasicType* part : parts_) {
    list.push_back(decodePart(*part, bytes.first(part->size), use));
    bytes = bytes.subspan(paddedSize(*part));
  }
  return list;
}

}  // namespace vethwork
