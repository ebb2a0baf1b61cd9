#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Words results{
    {"oif", NFT_FIB_RESULT_OIF}, {"oifname", NFT_FIB_RESULT_OIFNAME}, {"type", NFT_FIB_RESULT_ADDRTYPE}};

const Words flagWords{{"saddr", NFTA_FIB_F_SADDR}, {"daddr", NFTA_FIB_F_DADDR}, {"mark", NFTA_FIB_F_MARK},
                      {"iif", NFTA_FIB_F_IIF},     {"oif", NFTA_FIB_F_OIF},     {"present", NFTA_FIB_F_PRESENT}};

/// What the routing table says of the packet.
const Schema attributes{{
    {"register", NFTA_FIB_DREG, nftRegister(), Presence::required},
    {"result", NFTA_FIB_RESULT, words32(results, Order::network), Presence::required},
    {"flags", NFTA_FIB_FLAGS, wordList(flagWords), Presence::required},
}};

}  // namespace

const ExpressionKind fibExpression{.name = "fib", .kernelName = "fib", .attributes = attributes};

}  // namespace vethwork
