#include "rtnetlink/qdisc/kinds.h"

namespace vethwork {

const TrafficKind ingressQdisc{"ingress", nullptr, nullptr};

}  // namespace vethwork
