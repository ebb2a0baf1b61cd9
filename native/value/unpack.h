#pragma once

#include <cstdint>
#include <span>

#include "value/value.h"

namespace vethwork {

/// Reads a value that src/kernel/pack.ts has written; the format is described there.
/// @throws std::invalid_argument if the bytes are none
Value unpack(std::span<const std::uint8_t> bytes);

}  // namespace vethwork
