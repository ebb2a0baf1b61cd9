#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// Continues the rule while at most `count` connections are tracked; with `invert`, if there are more.
const Schema connlimitAttributes{{
                                     {"count", NFTA_CONNLIMIT_COUNT, be32(), Presence::required},
                                 },
                                 {NFTA_CONNLIMIT_FLAGS}};

}  // namespace

const ExpressionKind connlimitExpression{.name = "connlimit",
                                         .kernelName = "connlimit",
                                         .attributes = connlimitAttributes,
                                         .flags = {NFTA_CONNLIMIT_FLAGS, {{"invert", NFT_CONNLIMIT_F_INV}}}};

}  // namespace vethwork
