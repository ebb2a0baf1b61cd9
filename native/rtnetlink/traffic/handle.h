#pragma once

#include <cstdint>
#include <string_view>

#include "schema/codec.h"

namespace vethwork {

/// The name of a place of traffic control: `1:`, `1:a`, or one of the words. @throws ValidationError
std::uint32_t trafficHandle(const Value& value, const Path& path, const Words& words = {});

Value formatTrafficHandle(std::uint32_t handle, const Words& words = {});

/// As above, for a property that may be absent.
std::uint32_t trafficHandle(const Map& map, std::string_view key, std::uint32_t usual, Path& path,
                            const Words& words = {});

}  // namespace vethwork
