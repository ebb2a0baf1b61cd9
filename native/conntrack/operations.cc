#include <linux/netfilter.h>
#include <linux/netlink.h>

#include <array>
#include <span>
#include <vector>

#include "conntrack/connection.h"
#include "conntrack/conntrack.h"
#include "conntrack/delete.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

void encodeListConnections(const Map&, Encoder& to) { encodeConnectionDump(to.batch, NFPROTO_UNSPEC); }

ConnectionFilter filterOf(const Map& arguments, Path& path) {
  const auto scope = path.at("filter");
  return ConnectionFilter::parse(member(arguments, "filter"), path);
}

void checkDelete(const Map& arguments, Path& path) { (void)filterOf(arguments, path); }

void runDelete(std::span<const Map* const> requests, Exchange& exchange) {
  Path path;
  std::vector<ConnectionFilter> filters;
  for (const Map* arguments : requests) {
    filters.push_back(filterOf(*arguments, path));
  }
  deleteConnections(filters, exchange);
}

}  // namespace

OperationKinds conntrackOperations() {
  static const std::array<OperationKind, 2> kinds{{
      {"conntrack.list",
       NetlinkOperation{.protocol = NETLINK_NETFILTER,
                        .encode = encodeListConnections,
                        .decode = decodeConnection,
                        .sending = NetlinkOperation::Sending::dump},
       {"netns"}},
      {"conntrack.delete",
       ExchangeOperation{.protocol = NETLINK_NETFILTER, .check = checkDelete, .run = runDelete},
       {"netns", "filter"}},
  }};
  return kinds;
}

}  // namespace vethwork
