#pragma once

#include "netlink/reader.h"
#include "value/value.h"

namespace vethwork {

/// Decodes the counters (TCA_STATS2) as `statistics`.
void decodeTrafficStatistics(Span statistics, Map& into);

}  // namespace vethwork
