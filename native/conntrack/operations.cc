#include <linux/netfilter.h>
#include <linux/netlink.h>

#include <array>

#include "conntrack/connection.h"
#include "conntrack/conntrack.h"
#include "conntrack/count.h"
#include "conntrack/delete.h"
#include "netlink/exchange.h"
#include "netlink/socket.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

void encodeList(const Map&, Encoder& to) { encodeConnectionDump(to.batch, NFPROTO_UNSPEC); }

ConnectionFilter filterOf(const Map& arguments, Path& path) {
  const auto scope = path.at("filter");
  return ConnectionFilter::parse(member(arguments, "filter"), path);
}

void checkDelete(const Map& arguments, Path& path) { (void)filterOf(arguments, path); }

/// Deletion is a dump followed by deletions, so it uses a socket of its own.
Value runDelete(const Map& arguments, Worker&) {
  Path path;
  Socket socket(NETLINK_NETFILTER);
  Exchange exchange(socket);
  if (countConnections(exchange) == 0) {
    return {};
  }
  deleteConnections(filterOf(arguments, path), exchange);
  return {};
}

}  // namespace

OperationKinds conntrackOperations() {
  static const std::array<OperationKind, 2> kinds{{
      {"conntrack.list",
       NetlinkOperation{.protocol = NETLINK_NETFILTER,
                        .encode = encodeList,
                        .decode = decodeConnection,
                        .sending = NetlinkOperation::Sending::dump},
       {"netns"}},
      {"conntrack.delete", DirectOperation{.check = checkDelete, .run = runDelete}, {"netns", "filter"}},
  }};
  return kinds;
}

}  // namespace vethwork
