#include <string_view>
#include <unordered_map>

#include "conntrack/conntrack.h"
#include "engine/operation.h"
#include "netns/operations.h"
#include "nftables/nftables.h"
#include "rtnetlink/link.h"
#include "rtnetlink/objects.h"

namespace vethwork {

const OperationKind* findOperation(std::string_view name) {
  static const auto kinds = [] {
    std::unordered_map<std::string_view, const OperationKind*> map;
    for (const OperationKinds some :
         {linkOperations(), addressOperations(), routeOperations(), ruleOperations(), neighbourOperations(),
          qdiscOperations(), filterOperations(), statisticsOperations(), nftablesOperations(), conntrackOperations(),
          namespaceOperations(), usageOperations(), sysctlOperations(), tapOperations(), offloadOperations(),
          ipv6Operations(), processOperations(), probeOperations(), socketOperations()}) {
      for (const OperationKind& kind : some) {
        map.emplace(kind.name, &kind);
      }
    }
    return map;
  }();
  const auto found = kinds.find(name);
  return found == kinds.end() ? nullptr : found->second;
}

}  // namespace vethwork
