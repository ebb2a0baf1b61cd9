#pragma once

#include <cstdint>
#include <span>

#include "value/value.h"

namespace vethwork {

/// Reads a value that src/kernel/pack.ts has packed; the format is described there.
/// @throws std::invalid_argument if the bytes are malformed
Value unpack(std::span<const std::uint8_t> bytes);

}  // namespace vethwork
