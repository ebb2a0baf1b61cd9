#include <linux/netfilter/nf_nat.h>

#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames natTypes{{"snat", NFT_NAT_SNAT}, {"dnat", NFT_NAT_DNAT}};
const EnumNames natFamilies{{"ip", NFPROTO_IPV4}, {"ip6", NFPROTO_IPV6}};

const Schema natAttributes{{
                               {"type", NFTA_NAT_TYPE, enum32(natTypes, Order::network), Presence::required},
                               {"family", NFTA_NAT_FAMILY, enum32(natFamilies, Order::network), Presence::required},
                               {"addressRegister", NFTA_NAT_REG_ADDR_MIN, nftRegister()},
                               {"addressMaxRegister", NFTA_NAT_REG_ADDR_MAX, nftRegister()},
                               {"portRegister", NFTA_NAT_REG_PROTO_MIN, nftRegister()},
                               {"portMaxRegister", NFTA_NAT_REG_PROTO_MAX, nftRegister()},
                           },
                           {NFTA_NAT_FLAGS}};

}  // namespace

const ExpressionKind natExpression{
    .name = "nat",
    .kernelName = "nat",
    .attributes = natAttributes,
    .flags = {NFTA_NAT_FLAGS,
              {{"random", NF_NAT_RANGE_PROTO_RANDOM},
               {"fullyRandom", NF_NAT_RANGE_PROTO_RANDOM_FULLY},
               {"persistent", NF_NAT_RANGE_PERSISTENT}}},
    .ranges = {{"addressRegister", "addressMaxRegister"}, {"portRegister", "portMaxRegister"}}};

}  // namespace vethwork
