#include "rtnetlink/qdisc/kinds.h"

#include <array>

namespace vethwork {

const TrafficKind* findQdiscKind(std::string_view name) {
  static constexpr std::array kinds{&ingressQdisc, &tbfQdisc};
  return findTrafficKind(kinds, name);
}

}  // namespace vethwork
