#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// A data type with the name and number that nft uses (`enum datatypes`), so that `nft list` shows sets and maps in
/// text.
struct BasicType {
  enum class Form { address4, address6, mac, name, number };

  std::string_view name;
  std::uint32_t number;
  std::uint8_t size;
  Form form;
  /// Numbers that are not part of packets are in host byte order.
  bool hostOrder = false;
};

/// Type of the keys of a set or of the data of a map: a basic type, or several joined by ` . `.
class NftType {
 public:
  /// An unknown type, whose values are bytes. For decoding only.
  NftType() = default;
  /// @throws ValidationError
  static NftType parse(const Value& text, const Path& path);
  /// Returns the type for a number; empty if it is unknown.
  static std::optional<NftType> of(std::uint32_t number);

  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::uint32_t number() const;
  /// Size in bytes. Parts of a concatenation are aligned to four bytes.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] const std::vector<const BasicType*>& parts() const { return parts_; }
  [[nodiscard]] bool isConcatenation() const { return parts_.size() > 1; }
  [[nodiscard]] bool isHostOrder() const { return !isConcatenation() && parts_.front()->hostOrder; }

  /// Interval keys are compared bytewise, so their numbers are in network byte order.
  enum class Use { exact, interval };

  /// @throws ValidationError
  [[nodiscard]] Bytes encode(const Value& value, Path& path, Use use = Use::exact) const;
  /// Returns the bytes if they do not fit the type.
  [[nodiscard]] Value decode(Span bytes, Use use = Use::exact) const;

 private:
  std::vector<const BasicType*> parts_;
};

/// Size of a part within a concatenation.
constexpr std::size_t paddedSize(const BasicType& type) { return (type.size + 3u) & ~std::size_t{3}; }

}  // namespace vethwork
