#pragma once

#include <string>
#include <vector>

#include "engine/operation.h"
#include "netlink/batch.h"
#include "netlink/reader.h"

namespace vethwork::test {

/// Formats bytes as hexadecimal digits in groups of four bytes.
inline std::string hex(Span bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t index = 0; index < bytes.size(); ++index) {
    if (index > 0 && index % 4 == 0) {
      text += ' ';
    }
    text += digits[bytes[index] >> 4];
    text += digits[bytes[index] & 15];
  }
  return text;
}

inline Bytes unhex(std::string_view text) {
  Bytes bytes;
  std::string digits;
  for (const char character : text) {
    if (character != ' ') {
      digits += character;
    }
  }
  for (std::size_t index = 0; index + 1 < digits.size(); index += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(index, 2), nullptr, 16)));
  }
  return bytes;
}

/// Encodes the arguments of an operation as a batch that starts with sequence number 1. @throws ValidationError
inline Batch encoded(const NetlinkOperation& operation, const Map& arguments) {
  Batch batch;
  Encoder encoder{.batch = batch};
  operation.encode(arguments, encoder);
  batch.seal(1);
  return batch;
}

/// Returns the messages of a batch. They refer to its memory.
inline std::vector<Message> messages(const Batch& batch) {
  std::vector<Message> list;
  MessageReader reader(batch.bytes());
  while (const auto message = reader.next()) {
    list.push_back(*message);
  }
  return list;
}

}  // namespace vethwork::test
