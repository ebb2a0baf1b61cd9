#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// One type of keys or data, named and numbered as nft does (its `enum datatypes`), so that nft lists what is made here
/// in its own words.
struct BasicType {
  enum class Form { address4, address6, mac, name, number };

  std::string_view name;
  std::uint32_t number;
  std::uint8_t size;
  Form form;
  /// Numbers that are not a packet's are kept in the machine's byte order.
  bool hostOrder = false;
};

/// The type of a set's keys or a map's data: one basic type, or several joined by ` . `.
class NftType {
 public:
  /// A type that is not known here, whose values are bytes; only for decoding.
  NftType() = default;
  /// @throws ValidationError
  static NftType parse(const Value& text, const Path& path);
  /// From what the kernel keeps; empty if it is none of the types known here.
  static std::optional<NftType> of(std::uint32_t number);

  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::uint32_t number() const;
  /// In bytes; the parts of a concatenation start on multiples of four.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] const std::vector<const BasicType*>& parts() const { return parts_; }
  [[nodiscard]] bool isConcatenation() const { return parts_.size() > 1; }
  [[nodiscard]] bool isHostOrder() const { return !isConcatenation() && parts_.front()->hostOrder; }

  /// Intervals are compared byte by byte: there, numbers are in network order whatever their type.
  enum class Use { exact, interval };

  /// @throws ValidationError
  [[nodiscard]] Bytes encode(const Value& value, Path& path, Use use = Use::exact) const;
  /// Bytes, if they don't fit the type.
  [[nodiscard]] Value decode(Span bytes, Use use = Use::exact) const;

 private:
  std::vector<const BasicType*> parts_;
};

/// Bytes that one part takes in a concatenation.
constexpr std::size_t paddedSize(const BasicType& type) { return (type.size + 3u) & ~std::size_t{3}; }

}  // namespace vethwork
