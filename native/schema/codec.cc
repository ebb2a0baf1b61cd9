#include "schema/codec.h"

#include <arpa/inet.h>
#include <endian.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdio>
#include <limits>
#include <optional>

#include "netns/reference.h"
#include "schema/address.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

Value opaque(Span payload) { return Bytes(payload.begin(), payload.end()); }

template <std::integral T>
T swap(T value, Order order) {
  if (order == Order::host) {
    return value;
  }
  if constexpr (sizeof(T) == 2) {
    return static_cast<T>(htobe16(static_cast<std::uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(htobe32(static_cast<std::uint32_t>(value)));
  } else if constexpr (sizeof(T) == 8) {
    return static_cast<T>(htobe64(static_cast<std::uint64_t>(value)));
  } else {
    return value;
  }
}

template <std::integral T>
class Integer final : public Codec {
 public:
  Integer(std::int64_t minimum, std::int64_t maximum, Order order)
      : minimum_(minimum), maximum_(maximum), order_(order) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    to.batch.put(attribute, swap(static_cast<T>(integer(value, to.path, minimum_, maximum_)), order_));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto value = readAs<T>(payload);
    if (!value) {
      return opaque(payload);
    }
    const T number = swap(*value, order_);
    if constexpr (std::is_signed_v<T>) {
      return Value(static_cast<std::int64_t>(number));
    } else {
      return Value(static_cast<std::uint64_t>(number));
    }
  }

 private:
  std::int64_t minimum_;
  std::int64_t maximum_;
  Order order_;
};

template <std::integral T>
class Boolean final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    to.batch.put(attribute, static_cast<T>(boolean(value, to.path) ? 1 : 0));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto value = readAs<T>(payload);
    return value ? Value(*value != 0) : opaque(payload);
  }
};

class Flag final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    if (boolean(value, to.path)) {
      to.batch.putFlag(attribute);
    }
  }

  /// Some kernels report flags with a byte of payload.
  [[nodiscard]] Value decode(Span payload) const override { return payload.empty() || payload.front() != 0; }
};

bool validInterfaceName(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         std::ranges::none_of(name, [](unsigned char c) {
           // The kernel expands a percent sign: `veth%d` becomes `veth0`.
           return c == '/' || c == ':' || c == '%' || c <= ' ' || c == 0x7f;
         });
}

class Text : public Codec {
 public:
  Text(std::size_t minimum, std::size_t maximum) : minimum_(minimum), maximum_(maximum) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* text = value.as<std::string>();
    if (text == nullptr || text->size() < minimum_ || text->size() > maximum_ ||
        text->find('\0') != std::string::npos) {
      to.path.reject(
          value, "a text of " + std::to_string(minimum_) + " to " + std::to_string(maximum_) + " bytes without NUL");
    }
    to.batch.putText(attribute, *text);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto end = std::ranges::find(payload, 0);
    return std::string(payload.begin(), end);
  }

 private:
  std::size_t minimum_;
  std::size_t maximum_;
};

class InterfaceName final : public Text {
 public:
  InterfaceName() : Text(1, IFNAMSIZ - 1) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* name = value.as<std::string>();
    if (name == nullptr || !validInterfaceName(*name)) {
      to.path.reject(value, "an interface name of 1 to 15 bytes without slash, colon, percent sign or white space");
    }
    to.batch.putText(attribute, *name);
  }
};

class RawBytes final : public Codec {
 public:
  explicit RawBytes(std::size_t maximum) : maximum_(maximum) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* bytes = value.as<Bytes>();
    if (bytes == nullptr || bytes->size() > maximum_) {
      to.path.reject(value, "at most " + std::to_string(maximum_) + " bytes");
    }
    to.batch.put(attribute, std::span<const std::uint8_t>(*bytes));
  }

  [[nodiscard]] Value decode(Span payload) const override { return opaque(payload); }

 private:
  std::size_t maximum_;
};

class Mac final : public Codec {
 public:
  explicit Mac(bool unicast) : unicast_(unicast) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* text = value.as<std::string>();
    const auto address = text == nullptr ? std::nullopt : parseMac(*text);
    if (!address) {
      to.path.reject(value, "a MAC address such as 02:00:00:bd:cd:9b");
    }
    if (unicast_ && ((address->front() & 1) != 0 || *address == MacAddress{})) {
      to.path.reject(value, "a unicast MAC address such as 02:00:00:bd:cd:9b");
    }
    to.batch.put(attribute, *address);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto address = readAs<MacAddress>(payload);
    return address && payload.size() == address->size() ? Value(formatMac(*address)) : opaque(payload);
  }

 private:
  bool unicast_;
};

class Ip final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    to.batch.put(attribute, ip(value, to.path).bytes());
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto address = IpAddress::read(payload);
    return address ? Value(address->text()) : opaque(payload);
  }
};

template <std::integral T>
class Centiseconds final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    constexpr double maximum = 42'949'672;
    std::optional<double> seconds;
    if (const auto* whole = value.as<std::int64_t>()) {
      seconds = static_cast<double>(*whole);
    } else if (const auto* fraction = value.as<double>()) {
      seconds = *fraction;
    }
    if (!seconds || !(*seconds >= 0 && *seconds <= maximum)) {
      to.path.reject(value, "seconds, 0 to 42949672");
    }
    to.batch.put(attribute, static_cast<T>(*seconds * 100 + 0.5));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto value = readAs<T>(payload);
    if (!value) {
      return opaque(payload);
    }
    return *value % 100 == 0 ? Value(*value / 100) : Value(static_cast<double>(*value) / 100);
  }
};

template <std::integral T>
class EnumCodec final : public Codec {
 public:
  EnumCodec(EnumNames words, Order order) : words_(std::move(words)), order_(order) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    to.batch.put(attribute, swap(static_cast<T>(word(value, to.path, words_)), order_));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto value = readAs<T>(payload);
    return value ? enumName(swap(*value, order_), words_) : opaque(payload);
  }

 private:
  EnumNames words_;
  Order order_;
};

class Nested final : public Codec {
 public:
  explicit Nested(const Schema& schema) : schema_(schema) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto nest = to.batch.nest(attribute);
    schema_.encode(object(value, to.path), to);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    Map map;
    schema_.decode(payload, map);
    return map;
  }

 private:
  const Schema& schema_;
};

class NamespaceDescriptor final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    to.batch.putNamespace(attribute, NamespaceReference::parse(value, to.path).key());
  }

  [[nodiscard]] Value decode(Span) const override { return {}; }
};

template <std::integral T>
CodecPointer unsignedInteger(std::uint64_t minimum, std::uint64_t maximum, Order order) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return std::make_shared<Integer<T>>(static_cast<std::int64_t>(minimum),
                                      static_cast<std::int64_t>(std::min(maximum, most)), order);
}

}  // namespace

CodecPointer u8(std::uint64_t minimum, std::uint64_t maximum) {
  return unsignedInteger<std::uint8_t>(minimum, maximum, Order::host);
}
CodecPointer u16(std::uint64_t minimum, std::uint64_t maximum, Order order) {
  return unsignedInteger<std::uint16_t>(minimum, maximum, order);
}
CodecPointer u32(std::uint64_t minimum, std::uint64_t maximum, Order order) {
  return unsignedInteger<std::uint32_t>(minimum, maximum, order);
}
CodecPointer u64(Order order) {
  return unsignedInteger<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max(), order);
}
CodecPointer i32(std::int64_t minimum, std::int64_t maximum) {
  return std::make_shared<Integer<std::int32_t>>(minimum, maximum, Order::host);
}
CodecPointer be16(std::uint64_t minimum, std::uint64_t maximum) { return u16(minimum, maximum, Order::network); }
CodecPointer be32(std::uint64_t minimum, std::uint64_t maximum) { return u32(minimum, maximum, Order::network); }
CodecPointer boolean8() { return std::make_shared<Boolean<std::uint8_t>>(); }
CodecPointer boolean32() { return std::make_shared<Boolean<std::uint32_t>>(); }
CodecPointer flag() { return std::make_shared<Flag>(); }
CodecPointer text(std::size_t maximum, std::size_t minimum) { return std::make_shared<Text>(minimum, maximum); }
CodecPointer interfaceName() { return std::make_shared<InterfaceName>(); }
CodecPointer bytes(std::size_t maximum) { return std::make_shared<RawBytes>(maximum); }
CodecPointer mac() { return std::make_shared<Mac>(false); }
CodecPointer unicastMac() { return std::make_shared<Mac>(true); }
CodecPointer ipAddress() { return std::make_shared<Ip>(); }
CodecPointer centiseconds() { return std::make_shared<Centiseconds<std::uint32_t>>(); }
CodecPointer centiseconds64() { return std::make_shared<Centiseconds<std::uint64_t>>(); }
CodecPointer enum8(EnumNames words) { return std::make_shared<EnumCodec<std::uint8_t>>(std::move(words), Order::host); }
CodecPointer enum16(EnumNames words, Order order) {
  return std::make_shared<EnumCodec<std::uint16_t>>(std::move(words), order);
}
CodecPointer enum32(EnumNames words, Order order) {
  return std::make_shared<EnumCodec<std::uint32_t>>(std::move(words), order);
}
CodecPointer nested(const Schema& schema) { return std::make_shared<Nested>(schema); }
CodecPointer namespaceDescriptor() { return std::make_shared<NamespaceDescriptor>(); }

std::int64_t integer(const Value& value, const Path& path, std::int64_t minimum, std::int64_t maximum) {
  const auto* number = value.as<std::int64_t>();
  if (number == nullptr || *number < minimum || *number > maximum) {
    path.reject(value, "an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum));
  }
  return *number;
}

bool boolean(const Value& value, const Path& path) {
  const auto* flag = value.as<bool>();
  if (flag == nullptr) {
    path.reject(value, "true or false");
  }
  return *flag;
}

const std::string& string(const Value& value, const Path& path) {
  const auto* text = value.as<std::string>();
  if (text == nullptr) {
    path.reject(value, "a text");
  }
  return *text;
}

const Map& object(const Value& value, const Path& path) {
  const auto* map = value.as<Map>();
  if (map == nullptr) {
    path.reject(value, "an object");
  }
  return *map;
}

std::uint32_t word(const Value& value, const Path& path, const EnumNames& words) {
  if (const auto* text = value.as<std::string>()) {
    const auto found = std::ranges::find(words, *text, &EnumNames::value_type::first);
    if (found != words.end()) {
      return found->second;
    }
  }
  if (const auto* number = value.as<std::int64_t>(); number != nullptr && *number >= 0 && *number <= 0xff) {
    return static_cast<std::uint32_t>(*number);
  }
  std::string expected = "one of";
  for (const auto& [name, number] : words) {
    expected += (expected.back() == 'f' && expected.size() == 6 ? " '" : ", '") + std::string(name) + "'";
  }
  path.reject(value, expected);
}

Value enumName(std::uint32_t number, const EnumNames& words) {
  const auto found = std::ranges::find(words, number, &EnumNames::value_type::second);
  return found == words.end() ? Value(number) : Value(found->first);
}

}  // namespace vethwork
