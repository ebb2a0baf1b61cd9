#pragma once

#include "engine/operation.h"

namespace vethwork {

OperationKinds namespaceOperations();
OperationKinds sysctlOperations();
OperationKinds tapOperations();
OperationKinds offloadOperations();
OperationKinds ipv6Operations();
OperationKinds processOperations();
OperationKinds probeOperations();
OperationKinds socketOperations();
OperationKinds usageOperations();

}  // namespace vethwork
