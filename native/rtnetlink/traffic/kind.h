#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "netlink/reader.h"
#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// A kind of qdisc, filter or action with its options. To add one, add a file in qdisc/, filter/ or action/ and a line
/// in kinds.cc there.
struct TrafficKind {
  std::string_view name;
  /// Encodes the options; nullptr if there are none. @throws ValidationError
  void (*encode)(const Map& options, Encoder& to);
  void (*decode)(Span options, Map& into);
};

inline const TrafficKind* findTrafficKind(std::span<const TrafficKind* const> kinds, std::string_view name) {
  const auto found = std::ranges::find(kinds, name, &TrafficKind::name);
  return found == kinds.end() ? nullptr : *found;
}

}  // namespace vethwork
