#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace vethwork {

using Span = std::span<const std::uint8_t>;

/// Copies a fixed-size value from the start of a payload; empty if the payload is shorter.
template <typename T>
requires std::is_trivially_copyable_v<T> std::optional<T> readAs(Span payload) {
  if (payload.size() < sizeof(T)) {
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, payload.data(), sizeof value);
  return value;
}

struct Attribute {
  std::uint16_t type;
  Span payload;
};

/// Iterates over attributes. It stops at the first one that does not fit.
class AttributeReader {
 public:
  explicit AttributeReader(Span bytes) : rest_(bytes) {}
  std::optional<Attribute> next();

 private:
  Span rest_;
};

/// Returns the payload of the first attribute of a type.
std::optional<Span> findAttribute(Span attributes, std::uint16_t type);

struct Message {
  nlmsghdr header;
  Span payload;

  /// Returns the attributes after the fixed header of the family.
  template <typename Header>
  [[nodiscard]] Span attributes() const {
    constexpr std::size_t size = NLMSG_ALIGN(sizeof(Header));
    return payload.size() < size ? Span() : payload.subspan(size);
  }
};

/// A message with a copy of its payload.
struct OwnedMessage {
  nlmsghdr header;
  std::vector<std::uint8_t> payload;

  explicit OwnedMessage(const Message& message)
      : header(message.header), payload(message.payload.begin(), message.payload.end()) {}
  [[nodiscard]] Message message() const { return {header, payload}; }
};

/// Returns the positive errno of an answer; EBADMSG if the number is no errno.
int reportedErrno(int number);

/// Iterates over the messages of one datagram.
class MessageReader {
 public:
  explicit MessageReader(Span bytes) : rest_(bytes) {}
  std::optional<Message> next();

 private:
  Span rest_;
};

}  // namespace vethwork
