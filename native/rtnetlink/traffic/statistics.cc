#include "rtnetlink/traffic/statistics.h"

#include <linux/gen_stats.h>

namespace vethwork {

void decodeTrafficStatistics(Span statistics, Map& into) {
  Map counted;
  if (const auto basic = findAttribute(statistics, TCA_STATS_BASIC)) {
    // Not the complete gnet_stats_basic: the kernel omits its padding.
    counted.set("bytes", readAs<std::uint64_t>(*basic).value_or(0));
    counted.set("packets", readAs<std::uint32_t>(basic->size() < 8 ? Span() : basic->subspan(8)).value_or(0));
  }
  if (const auto queue = readAs<gnet_stats_queue>(findAttribute(statistics, TCA_STATS_QUEUE).value_or(Span()))) {
    counted.set("queued", queue->qlen);
    counted.set("backlog", queue->backlog);
    counted.set("drops", queue->drops);
    counted.set("requeues", queue->requeues);
    counted.set("overlimits", queue->overlimits);
  }
  into.set("statistics", std::move(counted));
}

}  // namespace vethwork
