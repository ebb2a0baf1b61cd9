#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames results{
    {"oif", NFT_FIB_RESULT_OIF}, {"oifname", NFT_FIB_RESULT_OIFNAME}, {"type", NFT_FIB_RESULT_ADDRTYPE}};

const EnumNames flagBitNames{{"saddr", NFTA_FIB_F_SADDR}, {"daddr", NFTA_FIB_F_DADDR}, {"mark", NFTA_FIB_F_MARK},
                             {"iif", NFTA_FIB_F_IIF},     {"oif", NFTA_FIB_F_OIF},     {"present", NFTA_FIB_F_PRESENT}};

/// Looks up the packet in the FIB.
const Schema fibAttributes{{
    {"register", NFTA_FIB_DREG, nftRegister(), Presence::required},
    {"result", NFTA_FIB_RESULT, enum32(results, Order::network), Presence::required},
    {"flags", NFTA_FIB_FLAGS, flagNames(flagBitNames), Presence::required},
}};

}  // namespace

const ExpressionKind fibExpression{.name = "fib", .kernelName = "fib", .attributes = fibAttributes};

}  // namespace vethwork
