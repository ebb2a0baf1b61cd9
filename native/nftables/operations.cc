#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>

#include "netfilter/message.h"
#include "netlink/exchange.h"
#include "netlink/socket.h"
#include "nftables/batch.h"
#include "nftables/list.h"
#include "nftables/nftables.h"
#include "nftables/objects.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

/// The listing is several dumps, so it uses a socket of its own.
Value listWholeRuleset(const Map& arguments, Worker&) {
  Socket socket(NETLINK_NETFILTER);
  Exchange exchange(socket);
  return listRuleset(arguments, exchange);
}

void encodeGeneration(const Map&, Encoder& to) {
  beginNetfilter(to.batch, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, AF_UNSPEC);
}

Value decodeGeneration(const Message& message) {
  if (!netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN)) {
    return {};
  }
  const auto id = findAttribute(message.attributes<nfgenmsg>(), NFTA_GEN_ID);
  const auto number = id ? readAs<std::uint32_t>(*id) : std::nullopt;
  return number ? Value(ntohl(*number)) : Value();
}

/// The value of NFTA_COMPAT_TYPE for a target; 0 is a match.
constexpr std::uint32_t compatTarget = 1;
constexpr std::size_t maximumTargetName = 28;

const Schema& targetAttributes() {
  static const Schema schema{{{"name", NFTA_COMPAT_NAME, text(maximumTargetName, 1), Presence::required}},
                             {NFTA_COMPAT_REV, NFTA_COMPAT_TYPE}};
  return schema;
}

/// Asks whether the kernel has the revision 0 of an xtables target (nft_compat), and loads its module.
void encodeTarget(const Map& arguments, Encoder& to) {
  static constexpr std::array<std::string_view, 2> others{"op", "netns"};
  beginNetfilter(to.batch, NFNL_SUBSYS_NFT_COMPAT, NFNL_MSG_COMPAT_GET, 0, AF_INET);
  targetAttributes().encode(arguments, to, others);
  to.batch.put(NFTA_COMPAT_REV, htonl(0));
  to.batch.put(NFTA_COMPAT_TYPE, htonl(compatTarget));
}

Value decodeTarget(const Message& message) {
  if (!netfilterHeader(message, NFNL_SUBSYS_NFT_COMPAT, NFNL_MSG_COMPAT_GET)) {
    return {};
  }
  Map answer;
  targetAttributes().decode(message.attributes<nfgenmsg>(), answer);
  return answer;
}

}  // namespace

OperationKinds nftablesOperations() {
  static const std::array<OperationKind, 4> kinds{{
      {"nftables.batch",
       NetlinkOperation{.protocol = NETLINK_NETFILTER,
                        .encode = encodeBatch,
                        .decode = decodeRule,
                        .hasOptionalReply = true,
                        .sending = NetlinkOperation::Sending::atomic,
                        .describe = describeBatchMessage},
       {"netns", "commands"}},
      {"nftables.list",
       DirectOperation{.check = checkList, .run = listWholeRuleset},
       {"netns", "family", "table", "elements"}},
      {"nftables.generation",
       NetlinkOperation{.protocol = NETLINK_NETFILTER, .encode = encodeGeneration, .decode = decodeGeneration},
       {"netns"}},
      {"nftables.target",
       NetlinkOperation{.protocol = NETLINK_NETFILTER, .encode = encodeTarget, .decode = decodeTarget},
       {"netns", "name"}},
  }};
  return kinds;
}

}  // namespace vethwork
