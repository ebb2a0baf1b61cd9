#include <linux/veth.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema options{{"peer", VETH_INFO_PEER, linkMessage(), Presence::required}};

}  // namespace

const LinkKind vethKind{"veth", options};

}  // namespace vethwork
