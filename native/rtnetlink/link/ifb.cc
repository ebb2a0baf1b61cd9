#include <linux/if_link.h>

#include "rtnetlink/link/kinds.h"

namespace vethwork {
namespace {

const Schema ifbOptions{};

}  // namespace

const LinkKind ifbKind{"ifb", ifbOptions};

}  // namespace vethwork
