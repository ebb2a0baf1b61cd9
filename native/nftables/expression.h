#pragma once

#include <string_view>
#include <vector>

#include "schema/codec.h"
#include "schema/schema.h"

namespace vethwork {

/// Booleans that are bits of one attribute.
struct FlagBits {
  std::uint16_t attribute = 0;
  EnumNames bits = {};
  /// Bits that are implied by other properties.
  std::uint32_t (*implied)(const Map& expression) = nullptr;
};

/// A pair of registers. The kernel reports the upper one even if it was omitted; it then equals the lower one.
struct RegisterRange {
  std::string_view lower;
  std::string_view upper;
};

/// A kind of rule expression, with the attributes of its NFTA_EXPR_DATA. To add one, add a file in expression/ and a
/// line in expression/kinds.cc.
struct ExpressionKind {
  /// Name in commands, and name in the kernel.
  std::string_view name;
  std::string_view kernelName;
  const Schema& attributes;
  FlagBits flags = {};
  std::vector<RegisterRange> ranges = {};
  /// Checks across several attributes. @throws ValidationError
  void (*check)(const Map& expression, const Path& path) = nullptr;
};

/// Encodes a list of expressions. @throws ValidationError
void encodeExpressions(const Value& expressions, std::uint16_t attribute, Encoder& to);

/// Field `expressions`, for which the kernel has two attributes: one for a single expression, one for a list.
Field oneExpression(std::uint16_t one, std::uint16_t several);
Field severalExpressions(std::uint16_t several, Presence presence = Presence::alias);
/// True if an object has more than one expression.
bool hasSeveralExpressions(const Map& object);

/// Decodes a list of expressions. Unknown kinds become `{ expression: 'opaque', name, data }`.
List decodeExpressions(Span list);

}  // namespace vethwork
