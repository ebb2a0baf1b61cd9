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
  /// Told by the kernel, not taken.
  reported,
  /// Another attribute that an optional field of the same name may be told in.
  alias,
};

/// A property of an object and the attribute that holds it.
struct Field {
  std::string_view name;
  std::uint16_t attribute;
  CodecPointer codec;
  Presence presence = Presence::optional;
};

/// The one description of an object's attributes: it validates, encodes and decodes.
class Schema {
 public:
  /// `skipped` are attributes that repeat what fields say, or are of no use; all others that are unknown are kept.
  Schema(std::initializer_list<Field> fields, std::initializer_list<std::uint16_t> skipped = {})
      : fields_(fields), skipped_(skipped) {}

  /// Writes the attributes in the order of the fields. A property that is neither a field nor one of `others`, which
  /// the caller deals with, is refused.
  void encode(const Map& values, Encoder& to, std::span<const std::string_view> others = {}) const;

  /// Of fields that share an attribute, the first that can read it takes it. Unknown attributes are kept, as bytes,
  /// under `attribute<number>`.
  void decode(Span attributes, Map& into) const;

  [[nodiscard]] std::span<const Field> fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
  std::vector<std::uint16_t> skipped_;
};

}  // namespace vethwork
