#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// Logs to the kernel log at a syslog `level`, or to a `group` of nfnetlink_log.
const Schema logAttributes{{
    {"group", NFTA_LOG_GROUP, be16()},
    {"prefix", NFTA_LOG_PREFIX, text(127, 1)},
    {"snapLength", NFTA_LOG_SNAPLEN, unlessZero(be32())},
    {"queueThreshold", NFTA_LOG_QTHRESHOLD, unlessZero(be16())},
    {"level", NFTA_LOG_LEVEL, be32(0, 8)},
    {"flags", NFTA_LOG_FLAGS, unlessZero(be32()), Presence::reported},
}};

void checkLog(const Map& expression, const Path& path) {
  if (given(expression, "group") != nullptr && given(expression, "level") != nullptr) {
    path.reject(expression, "a group or a level, not both");
  }
}

}  // namespace

const ExpressionKind logExpression{.name = "log", .kernelName = "log", .attributes = logAttributes, .check = checkLog};

}  // namespace vethwork
