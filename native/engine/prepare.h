#pragma once

#include <vector>

#include "engine/transaction.h"

namespace vethwork {

/// Makes requests of a list of operations: everything that can be known without the kernel is checked, and the messages
/// are written. With `remembers` they ask as well for what a roll-back has to know. @throws ValidationError
std::vector<Request> prepare(Value operations, bool remembers);

}  // namespace vethwork
