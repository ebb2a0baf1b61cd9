#pragma once

#include "netlink/exchange.h"
#include "schema/encoder.h"

namespace vethwork {

/// Checks the arguments of `nftables.list`. @throws ValidationError
void checkList(const Map& arguments, Path& path);

/// Returns the requested tables, chains, objects, sets, elements and rules, all of one generation of the ruleset.
/// @throws std::system_error
List listRuleset(const Map& arguments, Exchange& exchange);

}  // namespace vethwork
