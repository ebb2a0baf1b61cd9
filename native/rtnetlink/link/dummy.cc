#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema options{};

}  // namespace

const LinkKind dummyKind{"dummy", options};

}  // namespace vethwork
