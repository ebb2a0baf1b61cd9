#pragma once

#include "engine/operation.h"

namespace vethwork {

OperationKinds addressOperations();
OperationKinds routeOperations();
OperationKinds ruleOperations();
OperationKinds neighbourOperations();
OperationKinds qdiscOperations();
OperationKinds filterOperations();
OperationKinds statisticsOperations();

}  // namespace vethwork
