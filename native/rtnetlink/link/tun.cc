#include <linux/if_link.h>
#include <linux/if_tun.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const EnumNames tunModes{{"tun", IFF_TUN}, {"tap", IFF_TAP}};

/// Decoded only: tap and tun devices are created through /dev/net/tun.
const Schema tunOptions{{
    {"mode", IFLA_TUN_TYPE, enum8(tunModes), Presence::reported},
    {"owner", IFLA_TUN_OWNER, u32(), Presence::reported},
    {"group", IFLA_TUN_GROUP, u32(), Presence::reported},
    {"packetInformation", IFLA_TUN_PI, boolean8(), Presence::reported},
    {"vnetHeader", IFLA_TUN_VNET_HDR, boolean8(), Presence::reported},
    {"persistent", IFLA_TUN_PERSIST, boolean8(), Presence::reported},
    {"multiQueue", IFLA_TUN_MULTI_QUEUE, boolean8(), Presence::reported},
    {"queues", IFLA_TUN_NUM_QUEUES, u32(), Presence::reported},
    {"disabledQueues", IFLA_TUN_NUM_DISABLED_QUEUES, u32(), Presence::reported},
}};

}  // namespace

const LinkKind tunKind{"tun", tunOptions};

}  // namespace vethwork
