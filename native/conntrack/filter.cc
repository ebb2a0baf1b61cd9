#include "conntrack/filter.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <array>

#include "conntrack/connection.h"
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

Span transport(Span connection, std::uint16_t direction) {
  const Span tuple = findAttribute(connection, direction).value_or(Span());
  return findAttribute(tuple, CTA_TUPLE_PROTO).value_or(Span());
}

bool hasPort(Span connection, std::uint16_t direction, std::uint16_t port) {
  static constexpr std::array<std::uint16_t, 2> ends{CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT};
  return std::ranges::any_of(ends, [&](std::uint16_t end) {
    const auto its = readAs<std::uint16_t>(findAttribute(transport(connection, direction), end).value_or(Span()));
    return its && ntohs(*its) == port;
  });
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
    } else if (entry.key == "protocol") {
      filter.protocol = static_cast<std::uint8_t>(word(entry.value, path, connectionProtocols()));
    } else if (entry.key == "port") {
      filter.port = static_cast<std::uint16_t>(integer(entry.value, path, 0, 0xffff));
    } else {
      path.reject(entry.value, "no property of this name");
    }
  }
  if (!filter.address && !filter.mark && !filter.protocol && !filter.port) {
    path.reject(value, "an address, a mark, a protocol or a port");
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
  if (protocol) {
    const auto its =
        readAs<std::uint8_t>(findAttribute(transport(connection, CTA_TUPLE_ORIG), CTA_PROTO_NUM).value_or(Span()));
    if (its != protocol) {
      return false;
    }
  }
  if (port && !hasPort(connection, CTA_TUPLE_ORIG, *port) && !hasPort(connection, CTA_TUPLE_REPLY, *port)) {
    return false;
  }
  return !address || mentions(connection, CTA_TUPLE_ORIG, address->bytes()) ||
         mentions(connection, CTA_TUPLE_REPLY, address->bytes());
}

}  // namespace vethwork
