#pragma once

#include <cstdint>
#include <string_view>

#include "schema/codec.h"

namespace vethwork {

/// Reads a handle or parent: `1:`, `1:a`, or one of the names. @throws ValidationError
std::uint32_t trafficHandle(const Value& value, const Path& path, const EnumNames& words = {});

Value formatTrafficHandle(std::uint32_t handle, const EnumNames& words = {});

/// Like above, for an optional property.
std::uint32_t trafficHandle(const Map& map, std::string_view key, std::uint32_t usual, Path& path,
                            const EnumNames& words = {});

}  // namespace vethwork
