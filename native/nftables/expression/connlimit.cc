#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// The rule goes on while no more connections than `count` are known or, with `invert`, once there are more.
const Schema attributes{{
                            {"count", NFTA_CONNLIMIT_COUNT, be32(), Presence::required},
                        },
                        {NFTA_CONNLIMIT_FLAGS}};

}  // namespace

const ExpressionKind connlimitExpression{.name = "connlimit",
                                         .kernelName = "connlimit",
                                         .attributes = attributes,
                                         .flags = {NFTA_CONNLIMIT_FLAGS, {{"invert", NFT_CONNLIMIT_F_INV}}}};

}  // namespace vethwork
