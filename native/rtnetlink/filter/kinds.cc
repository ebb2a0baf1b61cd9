#include "rtnetlink/filter/kinds.h"

#include <array>

namespace vethwork {

const TrafficKind* findFilterKind(std::string_view name) {
  static constexpr std::array kinds{&matchallFilter, &u32Filter};
  return findTrafficKind(kinds, name);
}

}  // namespace vethwork
