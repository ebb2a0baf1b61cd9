#include "conntrack/filter.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <array>

#include "netfilter/message.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

bool mentions(Span connection, std::uint16_t direction, Span address) {
  const Span tuple = findAttribute(connection, direction).value_or(Span());
  AttributeReader ends(findAttribute(tuple, CTA_TUPLE_IP).value_or(Span()));
  while (const auto end = ends.next()) {
    if (std::ranges::equal(end->payload, address)) {
      return true;
    }
  }
  return false;
}

}  // namespace

ConnectionFilter ConnectionFilter::parse(const Value& value, Path& path) {
  const Map& map = object(value, path);
  ConnectionFilter filter;
  for (const Entry& entry : map.entries()) {
    if (entry.value.isNull()) {
      continue;
    }
    const auto scope = path.at(entry.key);
    if (entry.key == "address") {
      filter.address = ip(entry.value, path);
    } else if (entry.key == "mark") {
      filter.mark = static_cast<std::uint32_t>(integer(entry.value, path, 0, 0xffffffff));
    } else {
      path.reject(entry.value, "no property of this name");
    }
  }
  if (!filter.address && !filter.mark) {
    path.reject(value, "an address or a mark");
  }
  return filter;
}

bool ConnectionFilter::matches(const Message& report) const {
  const Span connection = report.attributes<nfgenmsg>();
  if (mark) {
    const auto its = readAs<std::uint32_t>(findAttribute(connection, CTA_MARK).value_or(Span()));
    if (ntohl(its.value_or(0)) != *mark) {
      return false;
    }
  }
  return !address || mentions(connection, CTA_TUPLE_ORIG, address->bytes()) ||
         mentions(connection, CTA_TUPLE_REPLY, address->bytes());
}

}  // namespace vethwork
