#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <array>

#include "rtnetlink/objects.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

/// Requests the counters only, which RTM_GETLINK reports with everything else (linux/if_link.h, if_stats_msg).
void encodeStatisticsRequest(std::uint16_t flags, int index, Encoder& to) {
  to.batch.begin(RTM_GETSTATS, flags);
  if_stats_msg header{};
  header.ifindex = static_cast<std::uint32_t>(index);
  header.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
  to.batch.header(header);
}

void encodeListStatistics(const Map&, Encoder& to) { encodeStatisticsRequest(NLM_F_DUMP, 0, to); }

void encodeGetStatistics(const Map& arguments, Encoder& to) {
  encodeStatisticsRequest(0, linkIndex(arguments, to.path), to);
}

Value decodeStatistics(const Message& message) {
  const auto header = readAs<if_stats_msg>(message.payload);
  if (message.header.nlmsg_type != RTM_NEWSTATS || !header) {
    return {};
  }
  Map link{{"index", header->ifindex}};
  const auto counters = findAttribute(message.attributes<if_stats_msg>(), IFLA_STATS_LINK_64);
  // Newer kernels append fields to the structure.
  struct Counters {
    std::uint64_t receivedPackets, sentPackets, receivedBytes, sentBytes, receiveErrors, sendErrors, receiveDrops,
        sendDrops;
  };
  if (const auto counted = readAs<Counters>(counters.value_or(Span()))) {
    link.set("receivedPackets", counted->receivedPackets);
    link.set("receivedBytes", counted->receivedBytes);
    link.set("receiveErrors", counted->receiveErrors);
    link.set("receiveDrops", counted->receiveDrops);
    link.set("sentPackets", counted->sentPackets);
    link.set("sentBytes", counted->sentBytes);
    link.set("sendErrors", counted->sendErrors);
    link.set("sendDrops", counted->sendDrops);
  }
  return link;
}

}  // namespace

OperationKinds statisticsOperations() {
  using Sending = NetlinkOperation::Sending;
  static const std::array<OperationKind, 2> kinds{{
      {"statistics.get",
       NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeGetStatistics, .decode = decodeStatistics},
       {"netns", "index"}},
      {"statistics.list",
       NetlinkOperation{.protocol = NETLINK_ROUTE,
                        .encode = encodeListStatistics,
                        .decode = decodeStatistics,
                        .sending = Sending::dump},
       {"netns"}},
  }};
  return kinds;
}

}  // namespace vethwork
