#pragma once

#include <string_view>

#include "netlink/reader.h"
#include "schema/codec.h"
#include "value/value.h"

namespace vethwork {

/// What nft keeps beside objects for its own listing: entries of a type, a length and a value, a byte each for the
/// first two (libnftnl's udata.h).
class UserData {
 public:
  static constexpr std::size_t maximumEntry = 0xff;

  /// At most `maximumEntry` bytes.
  void add(std::uint8_t type, Span value);
  void addText(std::uint8_t type, std::string_view text);

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

  static std::optional<Span> find(Span userData, std::uint8_t type);

 private:
  Bytes bytes_;
};

/// The comment of a rule or an object, as user data of one entry.
CodecPointer nftComment();

}  // namespace vethwork
