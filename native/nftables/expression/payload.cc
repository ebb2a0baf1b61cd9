#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames bases{{"link", NFT_PAYLOAD_LL_HEADER},
                      {"network", NFT_PAYLOAD_NETWORK_HEADER},
                      {"transport", NFT_PAYLOAD_TRANSPORT_HEADER}};

const Schema payloadAttributes{{
    {"register", NFTA_PAYLOAD_DREG, nftRegister(), Presence::required},
    {"base", NFTA_PAYLOAD_BASE, enum32(bases, Order::network), Presence::required},
    {"offset", NFTA_PAYLOAD_OFFSET, be32(0, 0xff), Presence::required},
    {"length", NFTA_PAYLOAD_LEN, be32(1, maximumRegisterBytes), Presence::required},
}};

}  // namespace

const ExpressionKind payloadExpression{.name = "payload", .kernelName = "payload", .attributes = payloadAttributes};

}  // namespace vethwork
