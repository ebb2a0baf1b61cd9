#include "conntrack/count.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "netfilter/message.h"
#include "schema/codec.h"

namespace vethwork {

std::uint32_t countConnections(Exchange& exchange) {
  Batch batch;
  beginNetfilter(batch, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS, 0, NFPROTO_UNSPEC);
  std::optional<std::uint32_t> count;
  const auto outcomes = exchange.request(batch, [&](std::size_t, const Message& message) {
    if (!netfilterHeader(message, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS)) {
      return;
    }
    if (const auto entries = findAttribute(message.attributes<nfgenmsg>(), CTA_STATS_GLOBAL_ENTRIES)) {
      const Value value = be32()->decode(*entries);
      if (const auto* number = value.as<std::int64_t>()) {
        count = static_cast<std::uint32_t>(*number);
      }
    }
  });
  const int error = outcomes.front().error;
  if (error != 0 || !count) {
    throw std::system_error(error != 0 ? error : EBADMSG, std::generic_category(), "count connections");
  }
  return *count;
}

}  // namespace vethwork
