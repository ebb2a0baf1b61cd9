#include "value/value.h"

#include <algorithm>

namespace vethwork {

Map::Map() = default;
Map::Map(std::initializer_list<Entry> entries) : entries_(entries) {}
Map::Map(const Map&) = default;
Map::Map(Map&&) noexcept = default;
Map& Map::operator=(const Map&) = default;
Map& Map::operator=(Map&&) noexcept = default;
Map::~Map() = default;

const Value* Map::find(std::string_view key) const {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  return found == entries_.end() ? nullptr : &found->value;
}

void Map::set(std::string_view key, Value value) {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  if (found == entries_.end()) {
    entries_.push_back({std::string(key), std::move(value)});
  } else {
    found->value = std::move(value);
  }
}

void Map::append(std::string key, Value value) { entries_.push_back({std::move(key), std::move(value)}); }

void Map::reserve(std::size_t count) { entries_.reserve(count); }

}  // namespace vethwork
