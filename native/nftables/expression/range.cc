#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Words operators{{"eq", NFT_RANGE_EQ}, {"neq", NFT_RANGE_NEQ}};

/// Between two values, inclusive, or with `neq` outside of them.
const Schema attributes{{
    {"register", NFTA_RANGE_SREG, nftRegister(), Presence::required},
    {"operator", NFTA_RANGE_OP, words32(operators, Order::network), Presence::required},
    {"from", NFTA_RANGE_FROM_DATA, nftData(), Presence::required},
    {"to", NFTA_RANGE_TO_DATA, nftData(), Presence::required},
}};

}  // namespace

const ExpressionKind rangeExpression{.name = "range", .kernelName = "range", .attributes = attributes};

}  // namespace vethwork
