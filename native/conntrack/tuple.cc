#include "conntrack/tuple.h"

#include <arpa/inet.h>
#include <linux/in6.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <string_view>

#include "conntrack/connection.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

template <typename T>
std::optional<T> optionalNumber(const Map& map, std::string_view key, Path& path) {
  const Value* value = given(map, key);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto scope = path.at(key);
  return static_cast<T>(integer(*value, path, 0, static_cast<T>(~T{0})));
}

template <typename T>
T requiredNumber(const Map& map, std::string_view key, Path& path) {
  const auto scope = path.at(key);
  return static_cast<T>(integer(member(map, key), path, 0, static_cast<T>(~T{0})));
}

IpAddress requiredAddress(const Map& map, std::string_view key, std::uint8_t family, Path& path) {
  const auto scope = path.at(key);
  return family == 0 ? ip(member(map, key), path) : ip(member(map, key), family, path);
}

bool isIcmp(std::uint8_t protocol) { return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6; }

/// Protocols whose tuples have ports.
bool hasPorts(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP ||
         protocol == IPPROTO_UDPLITE;
}

void putPort(std::uint16_t attribute, const std::optional<std::uint16_t>& port, Batch& batch) {
  if (port) {
    batch.put(attribute, htons(*port));
  }
}

template <typename T>
void putByte(std::uint16_t attribute, const std::optional<T>& number, Batch& batch) {
  if (number) {
    batch.put(attribute, *number);
  }
}

}  // namespace

ConnectionTuple ConnectionTuple::parse(const Value& value, Path& path) {
  const Map& map = object(value, path);
  ConnectionTuple tuple;
  tuple.source = requiredAddress(map, "source", 0, path);
  tuple.destination = requiredAddress(map, "destination", tuple.source.family(), path);
  {
    const auto scope = path.at("protocol");
    const std::uint32_t number = word(member(map, "protocol"), path, connectionProtocols());
    if (number > 0xff) {
      path.reject(member(map, "protocol"), "a protocol number from 0 to 255");
    }
    tuple.protocol = static_cast<std::uint8_t>(number);
  }
  if (hasPorts(tuple.protocol)) {
    tuple.sourcePort = requiredNumber<std::uint16_t>(map, "sourcePort", path);
    tuple.destinationPort = requiredNumber<std::uint16_t>(map, "destinationPort", path);
  } else if (isIcmp(tuple.protocol)) {
    tuple.icmpId = requiredNumber<std::uint16_t>(map, "icmpId", path);
    tuple.icmpType = requiredNumber<std::uint8_t>(map, "icmpType", path);
    tuple.icmpCode = requiredNumber<std::uint8_t>(map, "icmpCode", path);
  }
  tuple.zone = optionalNumber<std::uint16_t>(map, "zone", path);
  return tuple;
}

ConnectionTuple ConnectionTuple::translatedBack(const ConnectionTuple& reply) const {
  ConnectionTuple back = reply;
  back.source = destination;
  back.destination = source;
  back.sourcePort = destinationPort;
  back.destinationPort = sourcePort;
  back.icmpId = icmpId;
  return back;
}

void ConnectionTuple::encode(std::uint16_t attribute, Batch& batch) const {
  const auto whole = batch.nest(attribute);
  {
    const bool four = source.family() == AF_INET;
    const auto addresses = batch.nest(CTA_TUPLE_IP);
    batch.put(four ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, source.bytes());
    batch.put(four ? CTA_IP_V4_DST : CTA_IP_V6_DST, destination.bytes());
  }
  {
    const bool six = protocol == IPPROTO_ICMPV6;
    const auto transport = batch.nest(CTA_TUPLE_PROTO);
    batch.put(CTA_PROTO_NUM, protocol);
    putPort(CTA_PROTO_SRC_PORT, sourcePort, batch);
    putPort(CTA_PROTO_DST_PORT, destinationPort, batch);
    putPort(six ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, icmpId, batch);
    putByte(six ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE, icmpType, batch);
    putByte(six ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE, icmpCode, batch);
  }
  putPort(CTA_TUPLE_ZONE, zone, batch);
}

void encodeTranslation(std::uint16_t attribute, const IpAddress& address, std::optional<std::uint16_t> port,
                       Batch& batch) {
  const bool four = address.family() == AF_INET;
  const auto whole = batch.nest(attribute);
  batch.put(four ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, address.bytes());
  batch.put(four ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, address.bytes());
  if (port) {
    const auto ports = batch.nest(CTA_NAT_PROTO);
    batch.put(CTA_PROTONAT_PORT_MIN, htons(*port));
    batch.put(CTA_PROTONAT_PORT_MAX, htons(*port));
  }
}

}  // namespace vethwork
