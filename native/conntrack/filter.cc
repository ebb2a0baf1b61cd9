#include "conntrack/filter.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "conntrack/connection.h"
#include "netfilter/message.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

using Endpoint = ConnectionFilter::Endpoint;
using End = Endpoint::End;

const EnumNames tupleDirections{{"original", CTA_TUPLE_ORIG}, {"reply", CTA_TUPLE_REPLY}};

struct EndpointKey {
  std::string_view name;
  std::optional<End> end;
  bool isPort;
};

constexpr std::array<EndpointKey, 6> endpointKeys{{{"address", std::nullopt, false},
                                                   {"source", End::source, false},
                                                   {"destination", End::destination, false},
                                                   {"port", std::nullopt, true},
                                                   {"sourcePort", End::source, true},
                                                   {"destinationPort", End::destination, true}}};

std::optional<std::uint16_t> number16(Span attributes, std::uint16_t attribute) {
  const auto number = readAs<std::uint16_t>(findAttribute(attributes, attribute).value_or(Span()));
  return number ? std::optional(ntohs(*number)) : std::nullopt;
}

/// One direction of a reported connection.
class FilteredTuple {
 public:
  FilteredTuple(Span connection, std::uint16_t direction)
      : tuple_(findAttribute(connection, direction).value_or(Span())),
        addresses_(findAttribute(tuple_, CTA_TUPLE_IP).value_or(Span())),
        transport_(findAttribute(tuple_, CTA_TUPLE_PROTO).value_or(Span())) {}

  [[nodiscard]] bool has(const Endpoint& endpoint) const {
    return endpoint.end ? has(endpoint, *endpoint.end) : has(endpoint, End::source) || has(endpoint, End::destination);
  }

  [[nodiscard]] bool hasProtocol(std::uint8_t protocol) const {
    return readAs<std::uint8_t>(findAttribute(transport_, CTA_PROTO_NUM).value_or(Span())) == protocol;
  }

  [[nodiscard]] std::optional<std::uint16_t> zone() const { return number16(tuple_, CTA_TUPLE_ZONE); }

 private:
  [[nodiscard]] bool has(const Endpoint& endpoint, End end) const {
    const bool source = end == End::source;
    if (endpoint.port) {
      return number16(transport_, source ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT) == endpoint.port;
    }
    const bool four = endpoint.address->family() == AF_INET;
    const std::uint16_t attribute =
        four ? (source ? CTA_IP_V4_SRC : CTA_IP_V4_DST) : (source ? CTA_IP_V6_SRC : CTA_IP_V6_DST);
    return std::ranges::equal(findAttribute(addresses_, attribute).value_or(Span()), endpoint.address->bytes());
  }

  Span tuple_;
  Span addresses_;
  Span transport_;
};

bool isInZone(Span connection, std::span<const FilteredTuple> tuples, std::uint16_t zone) {
  const auto ofBoth = number16(connection, CTA_ZONE);
  const auto ofOne = [&](const FilteredTuple& tuple) { return tuple.zone() == zone; };
  const bool inNone =
      !ofBoth && std::ranges::none_of(tuples, [](const FilteredTuple& tuple) { return tuple.zone().has_value(); });
  return ofBoth == zone || std::ranges::any_of(tuples, ofOne) || (zone == 0 && inNone);
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
    const auto* key = std::ranges::find(endpointKeys, entry.key, &EndpointKey::name);
    if (key != endpointKeys.end()) {
      Endpoint& endpoint = filter.endpoints.emplace_back(Endpoint{.end = key->end});
      if (key->isPort) {
        endpoint.port = static_cast<std::uint16_t>(integer(entry.value, path, 0, 0xffff));
      } else {
        endpoint.address = filter.family() == 0 ? ip(entry.value, path) : ip(entry.value, filter.family(), path);
      }
    } else if (entry.key == "direction") {
      filter.direction = static_cast<std::uint16_t>(word(string(entry.value, path), path, tupleDirections));
    } else if (entry.key == "mark") {
      filter.mark = static_cast<std::uint32_t>(integer(entry.value, path, 0, 0xffffffff));
    } else if (entry.key == "protocol") {
      filter.protocol = static_cast<std::uint8_t>(word(entry.value, path, connectionProtocols()));
    } else if (entry.key == "zone") {
      filter.zone = static_cast<std::uint16_t>(integer(entry.value, path, 0, 0xffff));
    } else {
      path.reject(entry.value, "no property of this name");
    }
  }
  if (filter.endpoints.empty() && !filter.mark && !filter.protocol && !filter.zone) {
    path.reject(value, "an address, a port, a mark, a protocol or a zone");
  }
  return filter;
}

std::uint8_t ConnectionFilter::family() const {
  const auto found =
      std::ranges::find_if(endpoints, [](const Endpoint& endpoint) { return endpoint.address.has_value(); });
  return found == endpoints.end() ? std::uint8_t{0} : found->address->family();
}

bool ConnectionFilter::matches(const Message& report) const {
  const Span connection = report.attributes<nfgenmsg>();
  if (mark) {
    const auto its = readAs<std::uint32_t>(findAttribute(connection, CTA_MARK).value_or(Span()));
    if (ntohl(its.value_or(0)) != *mark) {
      return false;
    }
  }
  const std::array<FilteredTuple, 2> both{FilteredTuple(connection, CTA_TUPLE_ORIG),
                                          FilteredTuple(connection, CTA_TUPLE_REPLY)};
  if ((protocol && !both.front().hasProtocol(*protocol)) || (zone && !isInZone(connection, both, *zone))) {
    return false;
  }
  std::span<const FilteredTuple> tuples = both;
  if (direction) {
    tuples = tuples.subspan(*direction == CTA_TUPLE_ORIG ? 0 : 1, 1);
  }
  const auto anywhere = [&](const Endpoint& endpoint) {
    return endpoint.end || std::ranges::any_of(tuples, [&](const FilteredTuple& tuple) { return tuple.has(endpoint); });
  };
  const auto together = [&](const FilteredTuple& tuple) {
    return std::ranges::all_of(endpoints, [&](const Endpoint& one) { return !one.end || tuple.has(one); });
  };
  return std::ranges::all_of(endpoints, anywhere) && std::ranges::any_of(tuples, together);
}

}  // namespace vethwork
