#pragma once

#include <string_view>
#include <vector>

#include "schema/codec.h"
#include "schema/schema.h"

namespace vethwork {

/// Booleans that share one attribute, a bit each.
struct FlagBits {
  std::uint16_t attribute = 0;
  Words bits = {};
  /// Bits that follow from other properties.
  std::uint32_t (*implied)(const Map& expression) = nullptr;
};

/// Two properties of which the kernel reports the upper even where it was left out, then the same as the lower.
struct RegisterRange {
  std::string_view lower;
  std::string_view upper;
};

/// A kind of rule expression, with the attributes of its NFTA_EXPR_DATA. To add one: a file in expression/ and a line
/// in expression/kinds.cc.
struct ExpressionKind {
  /// In commands, and in the kernel.
  std::string_view name;
  std::string_view kernelName;
  const Schema& attributes;
  FlagBits flags = {};
  std::vector<RegisterRange> ranges = {};
  /// What no attribute can say alone. @throws ValidationError
  void (*check)(const Map& expression, const Path& path) = nullptr;
};

/// Writes a list of expressions. @throws ValidationError
void encodeExpressions(const Value& expressions, std::uint16_t attribute, Encoder& to);

/// `expressions`, which the kernel keeps in one of two attributes: one on its own, several as a list.
Field oneExpression(std::uint16_t one, std::uint16_t several);
Field severalExpressions(std::uint16_t several, Presence presence = Presence::alias);
/// Whether an object has more than one.
bool hasSeveralExpressions(const Map& object);

/// Kinds that are not known come back as `{ expression: 'opaque', name, data }`.
List decodeExpressions(Span list);

}  // namespace vethwork
