#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const EnumNames ipvlanModes{{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};

const EnumNames isolations{{"bridge", 0}, {"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}};

const Schema ipvlanOptions{{
    {"mode", IFLA_IPVLAN_MODE, enum16(ipvlanModes)},
    {"isolation", IFLA_IPVLAN_FLAGS, enum16(isolations)},
}};

}  // namespace

const LinkKind ipvlanKind{"ipvlan", ipvlanOptions, true};

}  // namespace vethwork
