#include "nftables/expression/kinds.h"

namespace vethwork {
namespace {

const Schema attributes{};

}  // namespace

/// The packet's connection is not tracked; before the kernel looks for one, in a chain of priority raw.
const ExpressionKind notrackExpression{.name = "notrack", .kernelName = "notrack", .attributes = attributes};

}  // namespace vethwork
