#include "rtnetlink/action/kinds.h"

#include <array>

namespace vethwork {

const TrafficKind* findActionKind(std::string_view name) {
  static constexpr std::array kinds{&mirredAction, &policeAction};
  return findTrafficKind(kinds, name);
}

}  // namespace vethwork
