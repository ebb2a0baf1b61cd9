#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_vlan.h>

#include <algorithm>
#include <array>
#include <memory>

#include "rtnetlink/link/kinds.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

const EnumNames vlanTagProtocols{{"802.1Q", ETH_P_8021Q}, {"802.1ad", ETH_P_8021AD}};

/// Flags by name. Only those that are given are changed.
class Switches final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    ifla_vlan_flags flags{};
    for (const Entry& entry : object(value, to.path).entries()) {
      const auto scope = to.path.at(entry.key);
      const auto known = std::ranges::find(names, entry.key, &Name::first);
      if (known == names.end()) {
        to.path.reject(entry.value, "no property of this name");
      }
      flags.mask |= known->second;
      flags.flags |= boolean(entry.value, to.path) ? known->second : 0;
    }
    to.batch.put(attribute, flags);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto flags = readAs<ifla_vlan_flags>(payload);
    Map map;
    for (const auto& [name, bit] : names) {
      map.set(name, flags && (flags->flags & bit) != 0);
    }
    return map;
  }

 private:
  using Name = std::pair<std::string_view, std::uint32_t>;
  static constexpr std::array<Name, 5> names{{{"reorderHeader", VLAN_FLAG_REORDER_HDR},
                                              {"gvrp", VLAN_FLAG_GVRP},
                                              {"looseBinding", VLAN_FLAG_LOOSE_BINDING},
                                              {"mvrp", VLAN_FLAG_MVRP},
                                              {"bridgeBinding", VLAN_FLAG_BRIDGE_BINDING}}};
};

const Schema vlanOptions{{
                             {"id", IFLA_VLAN_ID, u16(0, 4094), Presence::required},
                             {"protocol", IFLA_VLAN_PROTOCOL, enum16(vlanTagProtocols, Order::network)},
                             {"flags", IFLA_VLAN_FLAGS, std::make_shared<Switches>()},
                         },
                         {IFLA_VLAN_EGRESS_QOS, IFLA_VLAN_INGRESS_QOS}};

}  // namespace

const LinkKind vlanKind{"vlan", vlanOptions, true};

}  // namespace vethwork
