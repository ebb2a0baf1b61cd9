#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// Encoder and decoder of one attribute. Encoding validates; decoding returns bytes that it cannot interpret.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual void encode(const Value& value, std::uint16_t attribute, Encoder& to) const = 0;
  [[nodiscard]] virtual Value decode(Span payload) const = 0;
};

using CodecPointer = std::shared_ptr<const Codec>;

class Schema;

/// Byte order of an integer in a message.
enum class Order { host, network };

CodecPointer u8(std::uint64_t minimum = 0, std::uint64_t maximum = 0xff);
CodecPointer u16(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffff, Order order = Order::host);
CodecPointer u32(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffffffff, Order order = Order::host);
CodecPointer u64(Order order = Order::host);
CodecPointer i32(std::int64_t minimum, std::int64_t maximum);
CodecPointer be16(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffff);
CodecPointer be32(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffffffff);

/// A boolean as 8 or 32 bits, or as an attribute without payload.
CodecPointer boolean8();
CodecPointer boolean32();
CodecPointer flag();

/// A NUL-terminated text of `minimum` to `maximum` bytes.
CodecPointer text(std::size_t maximum, std::size_t minimum = 0);
/// An interface name that the kernel accepts (dev_valid_name).
CodecPointer interfaceName();
CodecPointer bytes(std::size_t maximum = 65531);

/// A MAC address such as `02:00:00:bd:cd:9b`.
CodecPointer mac();
/// Like `mac`, but neither multicast nor all zeros, as required for the address of a link.
CodecPointer unicastMac();

/// An IP address of either family as text.
CodecPointer ipAddress();

/// Seconds, encoded as hundredths (USER_HZ) in 32 or 64 bits.
CodecPointer centiseconds();
CodecPointer centiseconds64();

/// Names of numbers. Numbers without a name are decoded as numbers, and accepted as such.
using EnumNames = std::vector<std::pair<std::string_view, std::uint32_t>>;
CodecPointer enum8(EnumNames words);
CodecPointer enum16(EnumNames words, Order order = Order::host);
CodecPointer enum32(EnumNames words, Order order = Order::host);

/// Nested attributes, as an object.
CodecPointer nested(const Schema& schema);

/// A namespace, encoded as a descriptor. Not decoded.
CodecPointer namespaceDescriptor();

// Values of fixed headers.

/// @throws ValidationError unless the value is an integer within the bounds.
std::int64_t integer(const Value& value, const Path& path, std::int64_t minimum, std::int64_t maximum);
bool boolean(const Value& value, const Path& path);
const std::string& string(const Value& value, const Path& path);
const Map& object(const Value& value, const Path& path);
std::uint32_t word(const Value& value, const Path& path, const EnumNames& words);
Value enumName(std::uint32_t number, const EnumNames& words);

}  // namespace vethwork
