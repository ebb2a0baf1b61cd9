#pragma once

#include "rtnetlink/traffic/kind.h"

namespace vethwork {

extern const TrafficKind mirredAction;
extern const TrafficKind policeAction;

const TrafficKind* findActionKind(std::string_view name);

}  // namespace vethwork
