#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema vrfOptions{{{"table", IFLA_VRF_TABLE, u32(1), Presence::required}}};

const Schema vrfPortOptions{{{"table", IFLA_VRF_PORT_TABLE, u32(), Presence::reported}}};

}  // namespace

const LinkKind vrfKind{"vrf", vrfOptions};
const LinkKind vrfPortKind{"vrf", vrfPortOptions};

}  // namespace vethwork
