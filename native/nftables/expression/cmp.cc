#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames cmpOperators{{"eq", NFT_CMP_EQ},   {"neq", NFT_CMP_NEQ}, {"lt", NFT_CMP_LT},
                             {"lte", NFT_CMP_LTE}, {"gt", NFT_CMP_GT},   {"gte", NFT_CMP_GTE}};

const Schema cmpAttributes{{
    {"register", NFTA_CMP_SREG, nftRegister(), Presence::required},
    {"operator", NFTA_CMP_OP, enum32(cmpOperators, Order::network), Presence::required},
    {"data", NFTA_CMP_DATA, nftData(), Presence::required},
}};

}  // namespace

const ExpressionKind cmpExpression{.name = "cmp", .kernelName = "cmp", .attributes = cmpAttributes};

}  // namespace vethwork
