#include <linux/netfilter/nf_nat.h>

#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Schema redirectAttributes{{
                                    {"portRegister", NFTA_REDIR_REG_PROTO_MIN, nftRegister()},
                                    {"portMaxRegister", NFTA_REDIR_REG_PROTO_MAX, nftRegister()},
                                },
                                {NFTA_REDIR_FLAGS}};

}  // namespace

const ExpressionKind redirectExpression{.name = "redirect",
                                        .kernelName = "redir",
                                        .attributes = redirectAttributes,
                                        .flags = {NFTA_REDIR_FLAGS,
                                                  {{"random", NF_NAT_RANGE_PROTO_RANDOM},
                                                   {"fullyRandom", NF_NAT_RANGE_PROTO_RANDOM_FULLY},
                                                   {"persistent", NF_NAT_RANGE_PERSISTENT}}},
                                        .ranges = {{"portRegister", "portMaxRegister"}}};

}  // namespace vethwork
