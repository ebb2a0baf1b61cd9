#pragma once

#include <bit>
#include <cstdint>

namespace vethwork {

/// Tag of a packed value. src/kernel/tag.ts describes the encodings.
enum class Tag : std::uint8_t { null, no, yes, int32, real, int64, uint64, text, bytes, list, map, unsupported };

// Numbers are packed little-endian, the byte order of all supported machines.
static_assert(std::endian::native == std::endian::little);

}  // namespace vethwork
