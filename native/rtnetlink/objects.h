#pragma once

#include "engine/operation.h"

namespace vethwork {

OperationKinds addressOperations();
OperationKinds routeOperations();
OperationKinds ruleOperations();
OperationKinds neighbourOperations();

}  // namespace vethwork
