#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema dummyOptions{};

}  // namespace

const LinkKind dummyKind{"dummy", dummyOptions};

}  // namespace vethwork
