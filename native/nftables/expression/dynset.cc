#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames dynsetOperations{
    {"add", NFT_DYNSET_OP_ADD}, {"update", NFT_DYNSET_OP_UPDATE}, {"delete", NFT_DYNSET_OP_DELETE}};

/// Writes an element of a set from registers. `expressions` become stateful expressions of the element.
const Schema dynsetAttributes{
    {
        {"set", NFTA_DYNSET_SET_NAME, nftName(), Presence::required},
        {"operation", NFTA_DYNSET_OP, enum32(dynsetOperations, Order::network), Presence::required},
        {"sourceRegister", NFTA_DYNSET_SREG_KEY, nftRegister(), Presence::required},
        {"dataRegister", NFTA_DYNSET_SREG_DATA, nftRegister()},
        {"timeout", NFTA_DYNSET_TIMEOUT, unlessZero(be64())},
        oneExpression(NFTA_DYNSET_EXPR, NFTA_DYNSET_EXPRESSIONS),
        severalExpressions(NFTA_DYNSET_EXPRESSIONS),
    },
    {NFTA_DYNSET_FLAGS, NFTA_DYNSET_SET_ID, NFTA_DYNSET_PAD}};

std::uint32_t impliedFlags(const Map& expression) {
  return hasSeveralExpressions(expression) ? std::uint32_t{NFT_DYNSET_F_EXPR} : 0;
}

}  // namespace

const ExpressionKind dynsetExpression{.name = "dynset",
                                      .kernelName = "dynset",
                                      .attributes = dynsetAttributes,
                                      .flags = {NFTA_DYNSET_FLAGS, {{"invert", NFT_DYNSET_F_INV}}, impliedFlags}};

}  // namespace vethwork
