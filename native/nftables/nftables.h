#pragma once

#include "engine/operation.h"

namespace vethwork {

OperationKinds nftablesOperations();

}  // namespace vethwork
