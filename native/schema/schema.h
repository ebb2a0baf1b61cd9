#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "schema/codec.h"

namespace vethwork {

enum class Presence {
  optional,
  required,
  /// Reported by the kernel, rejected as an argument.
  reported,
  /// An alternative attribute of the optional field with the same name.
  alias,
};

/// A property of an object and its attribute.
struct Field {
  std::string_view name;
  std::uint16_t attribute;
  CodecPointer codec;
  Presence presence = Presence::optional;
};

/// Describes the attributes of an object: validates, encodes and decodes them.
class Schema {
 public:
  /// `skipped` are attributes that are redundant or unused. Other unknown attributes are decoded as bytes.
  Schema(std::initializer_list<Field> fields, std::initializer_list<std::uint16_t> skipped = {})
      : fields_(fields), skipped_(skipped) {}

  /// Encodes the attributes in the order of the fields. Rejects properties that are neither fields nor among `others`,
  /// which the caller handles.
  void encode(const Map& values, Encoder& to, std::span<const std::string_view> others = {}) const;

  /// Decodes attributes. If fields share an attribute, the first one that can decode it is used. Unknown attributes are
  /// added as bytes under `attribute<number>`.
  void decode(Span attributes, Map& into) const;

  [[nodiscard]] std::span<const Field> fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
  std::vector<std::uint16_t> skipped_;
};

}  // namespace vethwork
