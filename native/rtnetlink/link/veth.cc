#include <linux/veth.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema vethOptions{{"peer", VETH_INFO_PEER, linkMessage(), Presence::required}};

}  // namespace

const LinkKind vethKind{"veth", vethOptions};

}  // namespace vethwork
