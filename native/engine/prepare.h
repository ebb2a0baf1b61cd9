#pragma once

#include <vector>

#include "engine/transaction.h"

namespace vethwork {

/// Converts a list of operations into requests: checks everything that can be checked without the kernel, and encodes
/// the messages. With `capturesUndo`, the messages also request the state that a roll-back needs. @throws
/// ValidationError
std::vector<Request> prepare(Value operations, bool capturesUndo);

}  // namespace vethwork
