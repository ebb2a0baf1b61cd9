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

/// Writes a rule's expressions (NFTA_RULE_EXPRESSIONS). @throws ValidationError
void encodeExpressions(const Value& expressions, Encoder& to);

/// Kinds that are not known come back as `{ expression: 'opaque', name, data }`.
List decodeExpressions(Span list);

}  // namespace vethwork
