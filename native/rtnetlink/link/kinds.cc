#include "rtnetlink/link/kinds.h"

#include <algorithm>
#include <array>
#include <span>

namespace vethwork {
namespace {

const LinkKind* findKind(std::span<const LinkKind* const> kinds, std::string_view name) {
  const auto found = std::ranges::find(kinds, name, &LinkKind::name);
  return found == kinds.end() ? nullptr : *found;
}

}  // namespace

const LinkKind* findLinkKind(std::string_view name) {
  static constexpr std::array kinds{&bridgeKind, &dummyKind, &ifbKind,  &ipvlanKind, &macvlanKind,
                                    &tunKind,    &vethKind,  &vlanKind, &vrfKind,    &vxlanKind};
  return findKind(kinds, name);
}

const LinkKind* findPortKind(std::string_view name) {
  static constexpr std::array kinds{&bridgePortKind, &vrfPortKind};
  return findKind(kinds, name);
}

}  // namespace vethwork
