#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames byteorderOperations{{"ntoh", NFT_BYTEORDER_NTOH}, {"hton", NFT_BYTEORDER_HTON}};

/// Converts byte order. Intervals are compared in network byte order, so host-order values such as marks are converted
/// first.
const Schema byteorderAttributes{{
    {"sourceRegister", NFTA_BYTEORDER_SREG, nftRegister(), Presence::required},
    {"register", NFTA_BYTEORDER_DREG, nftRegister(), Presence::required},
    {"operation", NFTA_BYTEORDER_OP, enum32(byteorderOperations, Order::network), Presence::required},
    {"length", NFTA_BYTEORDER_LEN, be32(1, maximumRegisterBytes), Presence::required},
    {"size", NFTA_BYTEORDER_SIZE, be32(2, 8), Presence::required},
}};

}  // namespace

const ExpressionKind byteorderExpression{
    .name = "byteorder", .kernelName = "byteorder", .attributes = byteorderAttributes};

}  // namespace vethwork
