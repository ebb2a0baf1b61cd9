#include "conntrack/flush.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "netfilter/message.h"

namespace vethwork {
namespace {

using Endpoint = ConnectionFilter::Endpoint;
using End = Endpoint::End;

/// Bits of CTA_FILTER_ORIG_FLAGS and CTA_FILTER_REPLY_FLAGS (net/netfilter/nf_internals.h): the fields to compare.
constexpr std::uint32_t sourceBit = 1 << 0;
constexpr std::uint32_t destinationBit = 1 << 1;

struct FlushDirection {
  std::uint16_t tuple;
  std::uint16_t flags;
};
constexpr std::array<FlushDirection, 2> flushDirections{
    {{CTA_TUPLE_ORIG, CTA_FILTER_ORIG_FLAGS}, {CTA_TUPLE_REPLY, CTA_FILTER_REPLY_FLAGS}}};

void encodeEndpoints(const IpAddress& address, const FlushDirection& direction, End end, Batch& batch) {
  const bool source = end == End::source;
  const bool four = address.family() == AF_INET;
  beginNetfilter(batch, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, address.family());
  {
    const auto tuple = batch.nest(direction.tuple);
    const auto addresses = batch.nest(CTA_TUPLE_IP);
    batch.put(four ? (source ? CTA_IP_V4_SRC : CTA_IP_V4_DST) : (source ? CTA_IP_V6_SRC : CTA_IP_V6_DST),
              address.bytes());
  }
  const auto selection = batch.nest(CTA_FILTER);
  batch.put(direction.flags, source ? sourceBit : destinationBit);
}

}  // namespace

bool encodeFlush(const ConnectionFilter& filter, Batch& batch) {
  if (filter.endpoints.size() != 1 || filter.mark || filter.protocol || filter.zone) {
    return false;
  }
  const Endpoint& endpoint = filter.endpoints.front();
  if (!endpoint.address) {
    return false;
  }
  for (const FlushDirection& direction : flushDirections) {
    for (const End end : {End::source, End::destination}) {
      if (filter.direction.value_or(direction.tuple) == direction.tuple && endpoint.end.value_or(end) == end) {
        encodeEndpoints(*endpoint.address, direction, end, batch);
      }
    }
  }
  return true;
}

}  // namespace vethwork
