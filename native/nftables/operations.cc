#include <linux/netlink.h>

#include <array>

#include "netlink/exchange.h"
#include "netlink/socket.h"
#include "nftables/batch.h"
#include "nftables/list.h"
#include "nftables/nftables.h"
#include "nftables/objects.h"

namespace vethwork {
namespace {

/// The listing is several dumps, so it uses a socket of its own.
Value list(const Map& arguments, Worker&) {
  Socket socket(NETLINK_NETFILTER);
  Exchange exchange(socket);
  return listRuleset(arguments, exchange);
}

}  // namespace

OperationKinds nftablesOperations() {
  static const std::array<OperationKind, 2> kinds{{
      {"nftables.batch",
       NetlinkOperation{.protocol = NETLINK_NETFILTER,
                        .encode = encodeBatch,
                        .decode = decodeRule,
                        .hasOptionalReply = true,
                        .sending = NetlinkOperation::Sending::atomic,
                        .describe = describeBatchMessage},
       {"netns", "commands"}},
      {"nftables.list", DirectOperation{.check = checkList, .run = list}, {"netns", "family", "table", "elements"}},
  }};
  return kinds;
}

}  // namespace vethwork
