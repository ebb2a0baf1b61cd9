#pragma once

#include "rtnetlink/traffic/kind.h"

namespace vethwork {

extern const TrafficKind matchallFilter;
extern const TrafficKind u32Filter;

const TrafficKind* findFilterKind(std::string_view name);

}  // namespace vethwork
