#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "schema/codec.h"

namespace vethwork {

/// Returns the value of a property that is present and not null; otherwise nullptr.
inline const Value* given(const Map& map, std::string_view key) {
  const Value* value = map.find(key);
  return value == nullptr || value->isNull() ? nullptr : value;
}

/// Returns the value of a property, or null, which later checks reject.
inline const Value& member(const Map& map, std::string_view key) {
  static const Value null;
  const Value* value = map.find(key);
  return value == nullptr ? null : *value;
}

/// Rejects unknown properties. @throws ValidationError
inline void checkKeys(const Map& map, std::span<const std::string_view> known, Path& path) {
  for (const Entry& entry : map.entries()) {
    if (!entry.value.isNull() && std::ranges::find(known, entry.key) == known.end()) {
      const auto scope = path.at(entry.key);
      path.reject(entry.value, "no property of this name");
    }
  }
}

/// Returns a property that is an object. @throws ValidationError
inline const Map& part(const Map& map, std::string_view key, Path& path) {
  const auto scope = path.at(key);
  return object(member(map, key), path);
}

/// Returns the object that a property names, with a look-up function. @throws ValidationError
template <class Find>
const auto& named(const Map& map, std::string_view key, Find find, std::string_view expected, Path& path) {
  const auto scope = path.at(key);
  const Value& name = member(map, key);
  const auto* found = find(string(name, path));
  if (found == nullptr) {
    path.reject(name, expected);
  }
  return *found;
}

/// Returns a boolean property; false if absent. @throws ValidationError
inline bool isTrue(const Map& map, std::string_view key, Path& path) {
  const Value* value = given(map, key);
  const auto scope = path.at(key);
  return value != nullptr && boolean(*value, path);
}

inline constexpr std::int64_t maximumIndex = 0x7fffffff;

/// Returns a property that is an interface index. @throws ValidationError
inline int linkIndex(const Map& map, Path& path, std::string_view key = "index") {
  const auto scope = path.at(key);
  return static_cast<int>(integer(member(map, key), path, 1, maximumIndex));
}

}  // namespace vethwork
