#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames ctKeys{{"state", NFT_CT_STATE},
                       {"direction", NFT_CT_DIRECTION},
                       {"status", NFT_CT_STATUS},
                       {"mark", NFT_CT_MARK},
                       {"l3proto", NFT_CT_L3PROTOCOL},
                       {"source", NFT_CT_SRC},
                       {"destination", NFT_CT_DST},
                       {"sourceIp", NFT_CT_SRC_IP},
                       {"destinationIp", NFT_CT_DST_IP},
                       {"sourceIp6", NFT_CT_SRC_IP6},
                       {"destinationIp6", NFT_CT_DST_IP6},
                       {"protocol", NFT_CT_PROTOCOL},
                       {"sourcePort", NFT_CT_PROTO_SRC},
                       {"destinationPort", NFT_CT_PROTO_DST},
                       {"zone", NFT_CT_ZONE}};

const EnumNames ctDirections{{"original", 0}, {"reply", 1}};

/// Loads into `register`, or sets from `sourceRegister`.
const Schema ctAttributes{{
    {"key", NFTA_CT_KEY, enum32(ctKeys, Order::network), Presence::required},
    {"register", NFTA_CT_DREG, nftRegister()},
    {"direction", NFTA_CT_DIRECTION, enum8(ctDirections)},
    {"sourceRegister", NFTA_CT_SREG, nftRegister()},
}};

}  // namespace

const ExpressionKind ctExpression{
    .name = "ct", .kernelName = "ct", .attributes = ctAttributes, .check = checkLoadOrSet};

}  // namespace vethwork
