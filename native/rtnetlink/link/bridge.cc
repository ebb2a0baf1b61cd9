#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const EnumNames vlanProtocols{{"802.1Q", ETH_P_8021Q}, {"802.1ad", ETH_P_8021AD}};

/// IFLA_BR_FDB_MAX_LEARNED, newer than the headers.
constexpr std::uint16_t maximumLearned = 49;

/// Learning from frames to 01:80:c2:00:00:0X. The kernel has the inverse as a bit (BR_BOOLOPT_NO_LL_LEARN).
class LinkLocalLearning final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const std::uint32_t off = boolean(value, to.path) ? 0 : bit;
    to.batch.put(attribute, br_boolopt_multi{.optval = off, .optmask = bit});
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto options = readAs<br_boolopt_multi>(payload);
    return options ? Value((options->optval & bit) == 0) : Value();
  }

 private:
  static constexpr std::uint32_t bit = 1U << BR_BOOLOPT_NO_LL_LEARN;
};

const Schema bridgeOptions{
    {
        {"stp", IFLA_BR_STP_STATE, boolean32()},
        {"forwardDelay", IFLA_BR_FORWARD_DELAY, centiseconds()},
        {"helloTime", IFLA_BR_HELLO_TIME, centiseconds()},
        {"maxAge", IFLA_BR_MAX_AGE, centiseconds()},
        {"ageingTime", IFLA_BR_AGEING_TIME, centiseconds()},
        {"priority", IFLA_BR_PRIORITY, u16()},
        {"groupAddress", IFLA_BR_GROUP_ADDR, mac()},
        {"groupForwardMask", IFLA_BR_GROUP_FWD_MASK, u16()},
        {"vlanFiltering", IFLA_BR_VLAN_FILTERING, boolean8()},
        {"vlanProtocol", IFLA_BR_VLAN_PROTOCOL, enum16(vlanProtocols, Order::network)},
        {"vlanDefaultPvid", IFLA_BR_VLAN_DEFAULT_PVID, u16(0, 4094)},
        {"vlanStatistics", IFLA_BR_VLAN_STATS_ENABLED, boolean8()},
        {"vlanStatisticsPerPort", IFLA_BR_VLAN_STATS_PER_PORT, boolean8()},
        {"multicastSnooping", IFLA_BR_MCAST_SNOOPING, boolean8()},
        {"multicastRouter", IFLA_BR_MCAST_ROUTER, u8(0, 2)},
        {"multicastQuerier", IFLA_BR_MCAST_QUERIER, boolean8()},
        {"multicastQueryUsesOwnAddress", IFLA_BR_MCAST_QUERY_USE_IFADDR, boolean8()},
        {"multicastStatistics", IFLA_BR_MCAST_STATS_ENABLED, boolean8()},
        {"multicastHashMaximum", IFLA_BR_MCAST_HASH_MAX, u32(1)},
        {"multicastLastMemberCount", IFLA_BR_MCAST_LAST_MEMBER_CNT, u32()},
        {"multicastLastMemberInterval", IFLA_BR_MCAST_LAST_MEMBER_INTVL, centiseconds64()},
        {"multicastMembershipInterval", IFLA_BR_MCAST_MEMBERSHIP_INTVL, centiseconds64()},
        {"multicastQuerierInterval", IFLA_BR_MCAST_QUERIER_INTVL, centiseconds64()},
        {"multicastQueryInterval", IFLA_BR_MCAST_QUERY_INTVL, centiseconds64()},
        {"multicastQueryResponseInterval", IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, centiseconds64()},
        {"multicastStartupQueryCount", IFLA_BR_MCAST_STARTUP_QUERY_CNT, u32()},
        {"multicastStartupQueryInterval", IFLA_BR_MCAST_STARTUP_QUERY_INTVL, centiseconds64()},
        {"igmpVersion", IFLA_BR_MCAST_IGMP_VERSION, u8(2, 3)},
        {"mldVersion", IFLA_BR_MCAST_MLD_VERSION, u8(1, 2)},
        {"nfCallIptables", IFLA_BR_NF_CALL_IPTABLES, boolean8()},
        {"nfCallIp6tables", IFLA_BR_NF_CALL_IP6TABLES, boolean8()},
        {"nfCallArptables", IFLA_BR_NF_CALL_ARPTABLES, boolean8()},
        {"linkLocalLearning", IFLA_BR_MULTI_BOOLOPT, std::make_shared<LinkLocalLearning>()},
        {"maximumLearned", maximumLearned, u32()},
    },
    // Run-time state of the spanning tree, an option without effect, and unused ones.
    {IFLA_BR_ROOT_ID, IFLA_BR_BRIDGE_ID, IFLA_BR_ROOT_PORT, IFLA_BR_ROOT_PATH_COST, IFLA_BR_TOPOLOGY_CHANGE,
     IFLA_BR_TOPOLOGY_CHANGE_DETECTED, IFLA_BR_HELLO_TIMER, IFLA_BR_TCN_TIMER, IFLA_BR_TOPOLOGY_CHANGE_TIMER,
     IFLA_BR_GC_TIMER, IFLA_BR_MCAST_HASH_ELASTICITY, IFLA_BR_MCAST_QUERIER_STATE, 48 /* FDB_N_LEARNED */}};

const EnumNames bridgeStates{{"disabled", BR_STATE_DISABLED},
                             {"listening", BR_STATE_LISTENING},
                             {"learning", BR_STATE_LEARNING},
                             {"forwarding", BR_STATE_FORWARDING},
                             {"blocking", BR_STATE_BLOCKING}};

/// IFLA_BRPORT_MAB, newer than the headers.
constexpr std::uint16_t portBypass = 40;

const Schema bridgePortOptions{{
                                   {"state", IFLA_BRPORT_STATE, enum8(bridgeStates)},
                                   {"priority", IFLA_BRPORT_PRIORITY, u16()},
                                   {"cost", IFLA_BRPORT_COST, u32()},
                                   {"hairpin", IFLA_BRPORT_MODE, boolean8()},
                                   {"guard", IFLA_BRPORT_GUARD, boolean8()},
                                   {"rootBlock", IFLA_BRPORT_PROTECT, boolean8()},
                                   {"learning", IFLA_BRPORT_LEARNING, boolean8()},
                                   {"locked", IFLA_BRPORT_LOCKED, boolean8()},
                                   {"macAuthenticationBypass", portBypass, boolean8()},
                                   {"flood", IFLA_BRPORT_UNICAST_FLOOD, boolean8()},
                                   {"multicastFlood", IFLA_BRPORT_MCAST_FLOOD, boolean8()},
                                   {"multicastToUnicast", IFLA_BRPORT_MCAST_TO_UCAST, boolean8()},
                                   {"multicastRouter", IFLA_BRPORT_MULTICAST_ROUTER, u8(0, 3)},
                                   {"multicastFastLeave", IFLA_BRPORT_FAST_LEAVE, boolean8()},
                                   {"multicastHostsLimit", IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT, u32(1)},
                                   {"broadcastFlood", IFLA_BRPORT_BCAST_FLOOD, boolean8()},
                                   {"proxyArp", IFLA_BRPORT_PROXYARP, boolean8()},
                                   {"neighbourSuppression", IFLA_BRPORT_NEIGH_SUPPRESS, boolean8()},
                                   {"vlanTunnel", IFLA_BRPORT_VLAN_TUNNEL, boolean8()},
                                   {"isolated", IFLA_BRPORT_ISOLATED, boolean8()},
                                   {"groupForwardMask", IFLA_BRPORT_GROUP_FWD_MASK, u16()},
                                   {"backupPort", IFLA_BRPORT_BACKUP_PORT, u32(0, 0x7fffffff)},
                               },
                               // Run-time state of the spanning tree, and unused options.
                               {IFLA_BRPORT_ROOT_ID,
                                IFLA_BRPORT_BRIDGE_ID,
                                IFLA_BRPORT_DESIGNATED_PORT,
                                IFLA_BRPORT_DESIGNATED_COST,
                                IFLA_BRPORT_ID,
                                IFLA_BRPORT_NO,
                                IFLA_BRPORT_TOPOLOGY_CHANGE_ACK,
                                IFLA_BRPORT_CONFIG_PENDING,
                                IFLA_BRPORT_MESSAGE_AGE_TIMER,
                                IFLA_BRPORT_FORWARD_DELAY_TIMER,
                                IFLA_BRPORT_HOLD_TIMER,
                                IFLA_BRPORT_LEARNING_SYNC,
                                IFLA_BRPORT_PROXYARP_WIFI,
                                IFLA_BRPORT_MRP_RING_OPEN,
                                IFLA_BRPORT_MRP_IN_OPEN,
                                IFLA_BRPORT_MCAST_EHT_HOSTS_CNT,
                                41 /* MCAST_N_GROUPS */,
                                42 /* MCAST_MAX_GROUPS */,
                                43 /* NEIGH_VLAN_SUPPRESS */,
                                44 /* BACKUP_NHID */}};

}  // namespace

const LinkKind bridgeKind{"bridge", bridgeOptions};
const LinkKind bridgePortKind{"bridge", bridgePortOptions};

}  // namespace vethwork
