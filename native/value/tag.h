#pragma once

#include <bit>
#include <cstdint>

namespace vethwork {

/// What a packed value begins with; what follows each is told in src/kernel/tag.ts.
enum class Tag : std::uint8_t { null, no, yes, int32, real, int64, uint64, text, bytes, list, map, unsupported };

// Numbers are packed little-endian, as every machine that this runs on has them.
static_assert(std::endian::native == std::endian::little);

}  // namespace vethwork
