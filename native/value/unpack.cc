#include "value/unpack.h"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "value/tag.h"

namespace vethwork {
namespace {

/// Maximum nesting depth, larger than that of packed values. It limits recursion for malformed bytes.
constexpr int maximumValueDepth = 32;

/// Whole numbers are whole, however JavaScript holds them.
Value fromNumber(double number) {
  constexpr double maximumSafe = 9007199254740991;
  if (std::trunc(number) == number && std::abs(number) <= maximumSafe) {
    return static_cast<std::int64_t>(number);
  }
  return number;
}

class Unpacker {
 public:
  explicit Unpacker(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  Value read(int depth = 0) {
    if (depth > maximumValueDepth) {
      throw std::invalid_argument("nested too deeply");
    }
    switch (static_cast<Tag>(number<std::uint8_t>())) {
      case Tag::null:
        return {};
      case Tag::no:
        return false;
      case Tag::yes:
        return true;
      case Tag::int32:
        return std::int64_t{number<std::int32_t>()};
      case Tag::real:
        return fromNumber(number<double>());
      case Tag::int64:
        return number<std::int64_t>();
      case Tag::uint64:
        return number<std::uint64_t>();
      case Tag::text:
        return text();
      case Tag::bytes: {
        const auto taken = take(number<std::uint32_t>());
        return Bytes(taken.begin(), taken.end());
      }
      case Tag::list:
        return list(depth);
      case Tag::map:
        return map(depth);
      case Tag::unsupported:
        return Unsupported{text()};
    }
    throw std::invalid_argument("an invalid tag");
  }

  [[nodiscard]] bool atEnd() const { return rest_.empty(); }

 private:
  std::span<const std::uint8_t> take(std::size_t count) {
    if (count > rest_.size()) {
      throw std::invalid_argument("a packed value is truncated");
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  template <typename Number>
  requires std::is_arithmetic_v<Number> Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  /// Of what follows, each takes a byte at least.
  std::size_t count() {
    const std::size_t count = number<std::uint32_t>();
    if (count > rest_.size()) {
      throw std::invalid_argument("a packed count exceeds the data");
    }
    return count;
  }

  std::string text() {
    const auto taken = take(number<std::uint32_t>());
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  Value list(int depth) {
    const std::size_t length = count();
    List list;
    list.reserve(length);
    for (std::size_t index = 0; index < length; ++index) {
      list.push_back(read(depth + 1));
    }
    return list;
  }

  Value map(int depth) {
    const std::size_t length = count();
    Map map;
    map.reserve(length);
    for (std::size_t index = 0; index < length; ++index) {
      std::string key = text();
      // What is null counts as not given.
      if (Value value = read(depth + 1); !value.isNull()) {
        map.append(std::move(key), std::move(value));
      }
    }
    return map;
  }

  std::span<const std::uint8_t> rest_;
};

}  // namespace

Value unpack(std::span<const std::uint8_t> bytes) {
  Unpacker unpacker(bytes);
  Value value = unpacker.read();
  if (!unpacker.atEnd()) {
    throw std::invalid_argument("trailing bytes after a packed value");
  }
  return value;
}

}  // namespace vethwork
