#pragma once

#include <optional>
#include <string>
#include <vector>

#include "value/value.h"

namespace vethwork {

/// Which parts of a listing have digests of their own.
struct DigestSpec {
  /// Properties that form the group of an object, such as `index`. Empty: one digest of the whole value.
  std::vector<std::string> by;
  /// The value is a ruleset. Groups are lists of family and table, and for elements also the first part of their key.
  bool isRuleset = false;
  /// The value is returned, too.
  bool keepsValue = false;
};

/// Returns digests of a value: `digest` (text), and `groups` (a list of group, digest, group, digest, …) if it has
/// some. With groups, `digest` is that of objects without one. Two equal values of one process have equal digests; two
/// different ones have equal digests with a probability of 2^-64, whoever chose them, because the hash has a secret
/// key.
///
/// Parts that change by themselves do not count: counters, elements that packets add, and entries of neighbours that
/// are not permanent.
Map digestOf(Value value, const DigestSpec& spec);

}  // namespace vethwork
