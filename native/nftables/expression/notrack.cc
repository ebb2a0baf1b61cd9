#include "nftables/expression/kinds.h"

namespace vethwork {
namespace {

const Schema notrackAttributes{};

}  // namespace

/// Disables connection tracking of the packet. For chains before conntrack, with the priority raw.
const ExpressionKind notrackExpression{.name = "notrack", .kernelName = "notrack", .attributes = notrackAttributes};

}  // namespace vethwork
