#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Schema counterAttributes{{
    {"bytes", NFTA_COUNTER_BYTES, be64()},
    {"packets", NFTA_COUNTER_PACKETS, be64()},
}};

}  // namespace

const ExpressionKind counterExpression{.name = "counter", .kernelName = "counter", .attributes = counterAttributes};

}  // namespace vethwork
