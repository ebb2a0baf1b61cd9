#include <linux/if_bridge.h>
#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema options{
    {
        {"stp", IFLA_BR_STP_STATE, boolean32()},
        {"forwardDelay", IFLA_BR_FORWARD_DELAY, centiseconds()},
        {"helloTime", IFLA_BR_HELLO_TIME, centiseconds()},
        {"maxAge", IFLA_BR_MAX_AGE, centiseconds()},
        {"ageingTime", IFLA_BR_AGEING_TIME, centiseconds()},
        {"priority", IFLA_BR_PRIORITY, u16()},
        {"vlanFiltering", IFLA_BR_VLAN_FILTERING, boolean8()},
        {"groupForwardMask", IFLA_BR_GROUP_FWD_MASK, u16()},
        {"multicastSnooping", IFLA_BR_MCAST_SNOOPING, boolean8()},
        {"multicastRouter", IFLA_BR_MCAST_ROUTER, u8(0, 2)},
        {"multicastQuerier", IFLA_BR_MCAST_QUERIER, boolean8()},
        {"nfCallIptables", IFLA_BR_NF_CALL_IPTABLES, boolean8()},
        {"nfCallIp6tables", IFLA_BR_NF_CALL_IP6TABLES, boolean8()},
        {"nfCallArptables", IFLA_BR_NF_CALL_ARPTABLES, boolean8()},
    },
};

const Words states{{"disabled", BR_STATE_DISABLED},
                   {"listening", BR_STATE_LISTENING},
                   {"learning", BR_STATE_LEARNING},
                   {"forwarding", BR_STATE_FORWARDING},
                   {"blocking", BR_STATE_BLOCKING}};

const Schema portOptions{
    {
        {"state", IFLA_BRPORT_STATE, words8(states)},
        {"priority", IFLA_BRPORT_PRIORITY, u16()},
        {"cost", IFLA_BRPORT_COST, u32()},
        {"hairpin", IFLA_BRPORT_MODE, boolean8()},
        {"guard", IFLA_BRPORT_GUARD, boolean8()},
        {"learning", IFLA_BRPORT_LEARNING, boolean8()},
        {"flood", IFLA_BRPORT_UNICAST_FLOOD, boolean8()},
        {"multicastFlood", IFLA_BRPORT_MCAST_FLOOD, boolean8()},
        {"broadcastFlood", IFLA_BRPORT_BCAST_FLOOD, boolean8()},
        {"neighbourSuppression", IFLA_BRPORT_NEIGH_SUPPRESS, boolean8()},
        {"isolated", IFLA_BRPORT_ISOLATED, boolean8()},
    },
};

}  // namespace

const LinkKind bridgeKind{"bridge", options};
const LinkKind bridgePortKind{"bridge", portOptions};

}  // namespace vethwork
