#pragma once

#include <span>

#include "engine/transaction.h"

namespace vethwork {

/// Has requests tell, in the same send, what a roll-back has to know: how something was before, or by which handle the
/// kernel names what was made. What a transaction has made itself goes with all that is set of it, so that costs
/// nothing.
void rememberForRollback(std::span<Request> requests);

}  // namespace vethwork
