#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames rangeOperators{{"eq", NFT_RANGE_EQ}, {"neq", NFT_RANGE_NEQ}};

/// Matches values within an inclusive range; with `neq`, outside of it.
const Schema rangeAttributes{{
    {"register", NFTA_RANGE_SREG, nftRegister(), Presence::required},
    {"operator", NFTA_RANGE_OP, enum32(rangeOperators, Order::network), Presence::required},
    {"from", NFTA_RANGE_FROM_DATA, nftData(), Presence::required},
    {"to", NFTA_RANGE_TO_DATA, nftData(), Presence::required},
}};

}  // namespace

const ExpressionKind rangeExpression{.name = "range", .kernelName = "range", .attributes = rangeAttributes};

}  // namespace vethwork
