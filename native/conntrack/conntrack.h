#pragma once

#include "engine/operation.h"

namespace vethwork {

OperationKinds conntrackOperations();

}  // namespace vethwork
