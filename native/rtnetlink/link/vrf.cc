#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema options{{{"table", IFLA_VRF_TABLE, u32(1), Presence::required}}};

const Schema portOptions{{{"table", IFLA_VRF_PORT_TABLE, u32(), Presence::reported}}};

}  // namespace

const LinkKind vrfKind{"vrf", options};
const LinkKind vrfPortKind{"vrf", portOptions};

}  // namespace vethwork
