#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// Continues the rule until this number of bytes has passed; with `invert`, afterwards.
const Schema quotaAttributes{{
                                 {"bytes", NFTA_QUOTA_BYTES, be64(), Presence::required},
                                 {"consumed", NFTA_QUOTA_CONSUMED, be64()},
                             },
                             {NFTA_QUOTA_FLAGS, NFTA_QUOTA_PAD}};

}  // namespace

const ExpressionKind quotaExpression{.name = "quota",
                                     .kernelName = "quota",
                                     .attributes = quotaAttributes,
                                     .flags = {NFTA_QUOTA_FLAGS, {{"invert", NFT_QUOTA_F_INV}}}};

}  // namespace vethwork
