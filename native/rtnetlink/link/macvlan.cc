#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const EnumNames macvlanModes{{"private", MACVLAN_MODE_PRIVATE},
                             {"vepa", MACVLAN_MODE_VEPA},
                             {"bridge", MACVLAN_MODE_BRIDGE},
                             {"passthru", MACVLAN_MODE_PASSTHRU},
                             {"source", MACVLAN_MODE_SOURCE}};

// Newer than the headers.
constexpr std::uint16_t broadcastCutoff = 9;

const Schema macvlanOptions{{
                                {"mode", IFLA_MACVLAN_MODE, enum32(macvlanModes)},
                                {"flags", IFLA_MACVLAN_FLAGS, u16()},
                                {"broadcastQueueLength", IFLA_MACVLAN_BC_QUEUE_LEN, u32()},
                                {"broadcastCutoff", broadcastCutoff, i32(-1, 0x7fffffff)},
                            },
                            {IFLA_MACVLAN_BC_QUEUE_LEN_USED, IFLA_MACVLAN_MACADDR_COUNT, IFLA_MACVLAN_MACADDR_DATA}};

}  // namespace

const LinkKind macvlanKind{"macvlan", macvlanOptions, true};

}  // namespace vethwork
