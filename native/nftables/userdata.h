#pragma once

#include <string_view>

#include "netlink/reader.h"
#include "schema/codec.h"
#include "value/value.h"

namespace vethwork {

/// User data of nft objects: entries of type, length and value; type and length have one byte each (udata.h of
/// libnftnl).
class UserData {
 public:
  static constexpr std::size_t maximumEntry = 0xff;

  /// Appends an entry of at most `maximumEntry` bytes.
  void add(std::uint8_t type, Span value);
  void addText(std::uint8_t type, std::string_view text);

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

  static std::optional<Span> find(Span userData, std::uint8_t type);

 private:
  Bytes bytes_;
};

/// Codec of the comment of a rule or object, which is user data with one entry.
CodecPointer nftComment();

}  // namespace vethwork
