#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames metaKeys{{"len", NFT_META_LEN},
                         {"protocol", NFT_META_PROTOCOL},
                         {"priority", NFT_META_PRIORITY},
                         {"mark", NFT_META_MARK},
                         {"iif", NFT_META_IIF},
                         {"oif", NFT_META_OIF},
                         {"iifname", NFT_META_IIFNAME},
                         {"oifname", NFT_META_OIFNAME},
                         {"nfproto", NFT_META_NFPROTO},
                         {"l4proto", NFT_META_L4PROTO},
                         {"ibrname", NFT_META_BRI_IIFNAME},
                         {"obrname", NFT_META_BRI_OIFNAME},
                         {"pkttype", NFT_META_PKTTYPE},
                         {"iifgroup", NFT_META_IIFGROUP},
                         {"oifgroup", NFT_META_OIFGROUP}};

/// Loads into `register`, or sets from `sourceRegister`.
const Schema metaAttributes{{
    {"key", NFTA_META_KEY, enum32(metaKeys, Order::network), Presence::required},
    {"register", NFTA_META_DREG, nftRegister()},
    {"sourceRegister", NFTA_META_SREG, nftRegister()},
}};

}  // namespace

const ExpressionKind metaExpression{
    .name = "meta", .kernelName = "meta", .attributes = metaAttributes, .check = checkLoadOrSet};

}  // namespace vethwork
