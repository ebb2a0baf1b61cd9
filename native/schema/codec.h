#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// One attribute's form, in both directions. Encoding checks; decoding keeps as bytes what it cannot read.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual void encode(const Value& value, std::uint16_t attribute, Encoder& to) const = 0;
  [[nodiscard]] virtual Value decode(Span payload) const = 0;
};

using CodecPointer = std::shared_ptr<const Codec>;

class Schema;

/// Byte orders an integer may have in a message.
enum class Order { host, network };

CodecPointer u8(std::uint64_t minimum = 0, std::uint64_t maximum = 0xff);
CodecPointer u16(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffff, Order order = Order::host);
CodecPointer u32(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffffffff, Order order = Order::host);
CodecPointer u64(Order order = Order::host);
CodecPointer i32(std::int64_t minimum, std::int64_t maximum);
CodecPointer be16(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffff);
CodecPointer be32(std::uint64_t minimum = 0, std::uint64_t maximum = 0xffffffff);

/// A boolean held in a byte or in 32 bits, or as an attribute that is there or not.
CodecPointer boolean8();
CodecPointer boolean32();
CodecPointer flag();

/// A NUL-terminated text of `minimum` to `maximum` bytes.
CodecPointer text(std::size_t maximum, std::size_t minimum = 0);
/// A name of a device, as the kernel accepts it (dev_valid_name).
CodecPointer interfaceName();
CodecPointer bytes(std::size_t maximum = 65531);

/// Six bytes as `02:00:00:bd:cd:9b`.
CodecPointer mac();
/// As `mac`, but neither a multicast address nor all zeros, as a link's own address has to be.
CodecPointer unicastMac();

/// An IP address of either family as text.
CodecPointer ipAddress();

/// Seconds, kept by the kernel in hundredths (USER_HZ), in 32 or 64 bits.
CodecPointer centiseconds();
CodecPointer centiseconds64();

/// Words for numbers. Numbers without a word are decoded as numbers, and accepted as such.
using Words = std::vector<std::pair<std::string_view, std::uint32_t>>;
CodecPointer words8(Words words);
CodecPointer words16(Words words, Order order = Order::host);
CodecPointer words32(Words words, Order order = Order::host);

/// Attributes within an attribute, as an object.
CodecPointer nested(const Schema& schema);

/// A namespace, given to the kernel as a descriptor. Not reported.
CodecPointer namespaceDescriptor();

// Pieces that headers are filled with.

/// @throws ValidationError unless the value is an integer within the bounds.
std::int64_t integer(const Value& value, const Path& path, std::int64_t minimum, std::int64_t maximum);
bool boolean(const Value& value, const Path& path);
const std::string& string(const Value& value, const Path& path);
const Map& object(const Value& value, const Path& path);
std::uint32_t word(const Value& value, const Path& path, const Words& words);
Value wordOf(std::uint32_t number, const Words& words);

}  // namespace vethwork
