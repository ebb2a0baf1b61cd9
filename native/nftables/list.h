#pragma once

#include "netlink/exchange.h"
#include "schema/encoder.h"

namespace vethwork {

/// Checks the arguments of `nftables.list`. @throws ValidationError
void checkList(const Map& arguments, Path& path);

/// Every table, chain, object, set, element and rule that the arguments ask for, of one state of the ruleset.
/// @throws std::system_error
List listRuleset(const Map& arguments, Exchange& exchange);

}  // namespace vethwork
