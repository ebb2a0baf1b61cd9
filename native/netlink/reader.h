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

/// Reads a fixed-size value from the front of a payload that may be shorter (then empty) or longer.
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

/// Walks attributes; stops at the first one that does not fit, whatever follows.
class AttributeReader {
 public:
  explicit AttributeReader(Span bytes) : rest_(bytes) {}
  std::optional<Attribute> next();

 private:
  Span rest_;
};

/// The payload of the first attribute of a type.
std::optional<Span> findAttribute(Span attributes, std::uint16_t type);

struct Message {
  nlmsghdr header;
  Span payload;

  /// The attributes behind a family's fixed header.
  template <typename Header>
  [[nodiscard]] Span attributes() const {
    constexpr std::size_t size = NLMSG_ALIGN(sizeof(Header));
    return payload.size() < size ? Span() : payload.subspan(size);
  }
};

/// A message that outlives the buffer it was received in.
struct KeptMessage {
  nlmsghdr header;
  std::vector<std::uint8_t> payload;

  explicit KeptMessage(const Message& message)
      : header(message.header), payload(message.payload.begin(), message.payload.end()) {}
  [[nodiscard]] Message message() const { return {header, payload}; }
};

/// The errno that an answer holds with a minus sign; EBADMSG for a number that the kernel has no errno for.
int reportedErrno(int number);

/// Walks the messages of one datagram.
class MessageReader {
 public:
  explicit MessageReader(Span bytes) : rest_(bytes) {}
  std::optional<Message> next();

 private:
  Span rest_;
};

}  // namespace vethwork
