#include <linux/netfilter/nf_nat.h>

#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Schema masqueradeAttributes{{
                                      {"portRegister", NFTA_MASQ_REG_PROTO_MIN, nftRegister()},
                                      {"portMaxRegister", NFTA_MASQ_REG_PROTO_MAX, nftRegister()},
                                  },
                                  {NFTA_MASQ_FLAGS}};

}  // namespace

const ExpressionKind masqueradeExpression{.name = "masquerade",
                                          .kernelName = "masq",
                                          .attributes = masqueradeAttributes,
                                          .flags = {NFTA_MASQ_FLAGS,
                                                    {{"random", NF_NAT_RANGE_PROTO_RANDOM},
                                                     {"fullyRandom", NF_NAT_RANGE_PROTO_RANDOM_FULLY},
                                                     {"persistent", NF_NAT_RANGE_PERSISTENT}}},
                                          .ranges = {{"portRegister", "portMaxRegister"}}};

}  // namespace vethwork
