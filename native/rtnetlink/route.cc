#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "rtnetlink/object_operations.h"
#include "rtnetlink/objects.h"
#include "rtnetlink/write_mode.h"
#include "schema/address.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

/// USER_HZ, the unit of times in netlink messages.
constexpr int ticksASecond = 100;

const EnumNames routeTypes{{"unicast", RTN_UNICAST},         {"local", RTN_LOCAL},         {"broadcast", RTN_BROADCAST},
                           {"anycast", RTN_ANYCAST},         {"multicast", RTN_MULTICAST}, {"blackhole", RTN_BLACKHOLE},
                           {"unreachable", RTN_UNREACHABLE}, {"prohibit", RTN_PROHIBIT},   {"throw", RTN_THROW}};

const EnumNames routeProtocols{{"unspec", RTPROT_UNSPEC}, {"redirect", RTPROT_REDIRECT}, {"kernel", RTPROT_KERNEL},
                               {"boot", RTPROT_BOOT},     {"static", RTPROT_STATIC},     {"ra", RTPROT_RA}};

const EnumNames routeFamilies{{"inet", AF_INET}, {"inet6", AF_INET6}};

/// The kernel stores fractions of a millisecond.
class Milliseconds final : public Codec {
 public:
  explicit Milliseconds(std::uint32_t fractions) : fractions_(fractions) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    constexpr std::int64_t maximum = 0x1fffffff;
    const auto* whole = value.as<std::int64_t>();
    const auto* fraction = value.as<double>();
    const double milliseconds = whole != nullptr ? static_cast<double>(*whole) : fraction != nullptr ? *fraction : -1;
    if (!(milliseconds >= 0 && milliseconds <= maximum)) {
      to.path.reject(value, "milliseconds, 0 to " + std::to_string(maximum));
    }
    to.batch.put(attribute, static_cast<std::uint32_t>(milliseconds * fractions_ + 0.5));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto number = readAs<std::uint32_t>(payload);
    if (!number) {
      return {};
    }
    return *number % fractions_ == 0 ? Value(*number / fractions_) : Value(static_cast<double>(*number) / fractions_);
  }

 private:
  std::uint32_t fractions_;
};

/// Bits with the numbers of the metrics.
class LockedMetrics final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* names = value.as<List>();
    if (names == nullptr) {
      to.path.reject(value, "a list of metrics");
    }
    std::uint32_t bits = 0;
    for (std::size_t position = 0; position < names->size(); ++position) {
      const std::string label = listLabel(position);
      const auto scope = to.path.at(label);
      bits |= 1U << word(string((*names)[position], to.path), to.path, words());
    }
    to.batch.put(attribute, bits);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    List names;
    const std::uint32_t bits = readAs<std::uint32_t>(payload).value_or(0);
    for (const auto& [name, number] : words()) {
      if ((bits >> number & 1) != 0) {
        names.emplace_back(name);
      }
    }
    return names.empty() ? Value() : Value(std::move(names));
  }

 private:
  static const EnumNames& words() {
    static const EnumNames words{{"mtu", RTAX_MTU},
                                 {"window", RTAX_WINDOW},
                                 {"rtt", RTAX_RTT},
                                 {"rttVariance", RTAX_RTTVAR},
                                 {"slowStartThreshold", RTAX_SSTHRESH},
                                 {"congestionWindow", RTAX_CWND},
                                 {"advertisedMss", RTAX_ADVMSS},
                                 {"reordering", RTAX_REORDERING},
                                 {"hopLimit", RTAX_HOPLIMIT},
                                 {"minimumRetransmission", RTAX_RTO_MIN},
                                 {"congestionControl", RTAX_CC_ALGO}};
    return words;
  }
};

const EnumNames preferences{{"medium", 0}, {"high", 1}, {"low", 3}};

const Schema metrics{{
    {"mtu", RTAX_MTU, u32()},
    {"window", RTAX_WINDOW, u32()},
    {"advertisedMss", RTAX_ADVMSS, u32()},
    {"hopLimit", RTAX_HOPLIMIT, u32(1, 255)},
    {"initialWindow", RTAX_INITCWND, u32()},
    {"initialReceiveWindow", RTAX_INITRWND, u32()},
    {"reordering", RTAX_REORDERING, u32()},
    {"quickAck", RTAX_QUICKACK, boolean32()},
    {"congestionControl", RTAX_CC_ALGO, text(15, 1)},
    {"rtt", RTAX_RTT, std::make_shared<Milliseconds>(8)},
    {"rttVariance", RTAX_RTTVAR, std::make_shared<Milliseconds>(4)},
    {"minimumRetransmission", RTAX_RTO_MIN, std::make_shared<Milliseconds>(1)},
    {"slowStartThreshold", RTAX_SSTHRESH, u32()},
    {"congestionWindow", RTAX_CWND, u32()},
    {"features", RTAX_FEATURES, u32()},
    {"locked", RTAX_LOCK, std::make_shared<LockedMetrics>()},
}};

Map metricsOf(const Map& route) {
  Map given;
  for (const Entry& entry : route.entries()) {
    if (!entry.value.isNull() &&
        std::ranges::find(metrics.fields(), entry.key, &Field::name) != metrics.fields().end()) {
      given.set(entry.key, entry.value);
    }
  }
  return given;
}

const Schema routeAttributes{{
                                 {"index", RTA_OIF, u32(1, maximumIndex)},
                                 {"gateway", RTA_GATEWAY, ipAddress()},
                                 {"source", RTA_PREFSRC, ipAddress()},
                                 {"metric", RTA_PRIORITY, u32()},
                                 {"table", RTA_TABLE, u32(1)},
                                 {"nextHopId", RTA_NH_ID, u32(1)},
                                 {"preference", RTA_PREF, enum8(preferences)},
                                 {"expires", RTA_EXPIRES, u32()},
                             },
                             {RTA_DST, RTA_METRICS, RTA_MULTIPATH, RTA_CACHEINFO}};

/// Reads the destination prefix. `default` takes its family from `family`, or else from the gateway.
IpPrefix destination(const Map& route, Path& path) {
  const Value& value = member(route, "destination");
  const auto* text = value.as<std::string>();
  if (text != nullptr && *text == "default") {
    bool six = false;
    if (const Value* family = given(route, "family")) {
      const auto scope = path.at("family");
      six = word(*family, path, routeFamilies) == AF_INET6;
    } else if (const Value* gateway = given(route, "gateway")) {
      const auto scope = path.at("gateway");
      six = ip(*gateway, path).family() == AF_INET6;
    }
    return {*IpAddress::parse(six ? "::" : "0.0.0.0"), 0};
  }
  const auto scope = path.at("destination");
  return prefix(value, path);
}

std::uint8_t chosen(const Map& route, std::string_view key, const EnumNames& words, std::uint32_t fallback,
                    Path& path) {
  const Value* value = given(route, key);
  const auto scope = path.at(key);
  return static_cast<std::uint8_t>(value == nullptr ? fallback : word(*value, path, words));
}

/// Encodes a next hop, which has a header of its own (rtnexthop).
void encodeNextHop(const Map& hop, std::uint8_t family, Encoder& to, Bytes& into) {
  static constexpr std::array<std::string_view, 4> known{"index", "gateway", "weight", "onlink"};
  checkKeys(hop, known, to.path);
  Batch scratch;
  scratch.begin(0, 0);
  if (const Value* gateway = given(hop, "gateway")) {
    const auto scope = to.path.at("gateway");
    scratch.put(RTA_GATEWAY, ip(*gateway, family, to.path).bytes());
  }
  const auto options = scratch.bytes().subspan(NLMSG_HDRLEN);
  rtnexthop header{};
  header.rtnh_len = static_cast<std::uint16_t>(sizeof header + options.size());
  header.rtnh_ifindex = linkIndex(hop, to.path);
  header.rtnh_flags = isTrue(hop, "onlink", to.path) ? RTNH_F_ONLINK : 0;
  if (const Value* weight = given(hop, "weight")) {
    const auto scope = to.path.at("weight");
    header.rtnh_hops = static_cast<std::uint8_t>(integer(*weight, to.path, 1, 256) - 1);
  }
  const auto* raw = reinterpret_cast<const std::uint8_t*>(&header);
  into.insert(into.end(), raw, raw + sizeof header);
  into.insert(into.end(), options.begin(), options.end());
}

void encodeNextHops(const Value& hops, std::uint8_t family, Encoder& to) {
  const auto* list = hops.as<List>();
  if (list == nullptr || list->empty()) {
    to.path.reject(hops, "a list of next hops");
  }
  Bytes encoded;
  for (std::size_t position = 0; position < list->size(); ++position) {
    const std::string label = listLabel(position);
    const auto scope = to.path.at(label);
    encodeNextHop(object((*list)[position], to.path), family, to, encoded);
  }
  to.batch.put(RTA_MULTIPATH, std::span<const std::uint8_t>(encoded));
}

/// With `forDeletion`, absent properties match any route.
void encodeRoute(const Map& route, Encoder& to, bool forDeletion) {
  static const auto others = [] {
    std::vector<std::string_view> names{"destination", "family", "type",     "scope",
                                        "protocol",    "onlink", "nextHops", "tos"};
    std::ranges::transform(metrics.fields(), std::back_inserter(names), &Field::name);
    return names;
  }();
  const IpPrefix target = destination(route, to.path);
  rtmsg header{};
  header.rtm_family = target.address.family();
  for (const std::string_view key : {"gateway", "source"}) {
    if (const Value* address = given(route, key)) {
      const auto scope = to.path.at(key);
      (void)ip(*address, header.rtm_family, to.path);
    }
  }
  header.rtm_dst_len = target.length;
  if (const Value* tos = given(route, "tos")) {
    const auto scope = to.path.at("tos");
    header.rtm_tos = static_cast<std::uint8_t>(integer(*tos, to.path, 0, 0xff));
  }
  header.rtm_table = RT_TABLE_UNSPEC;
  header.rtm_type = chosen(route, "type", routeTypes, forDeletion ? RTN_UNSPEC : RTN_UNICAST, to.path);
  header.rtm_protocol = chosen(route, "protocol", routeProtocols, forDeletion ? RTPROT_UNSPEC : RTPROT_STATIC, to.path);
  const bool direct =
      given(route, "gateway") == nullptr && given(route, "nextHops") == nullptr && given(route, "nextHopId") == nullptr;
  const bool toLink = header.rtm_family == AF_INET && header.rtm_type == RTN_UNICAST && direct;
  const std::uint32_t usualScope = forDeletion ? RT_SCOPE_NOWHERE : toLink ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header.rtm_scope = chosen(route, "scope", scopeNames(), usualScope, to.path);
  header.rtm_flags = isTrue(route, "onlink", to.path) ? RTNH_F_ONLINK : 0;
  to.batch.header(header);
  if (target.length > 0) {
    to.batch.put(RTA_DST, target.address.bytes());
  }
  routeAttributes.encode(route, to, others);
  if (given(route, "table") == nullptr) {
    to.batch.put(RTA_TABLE, std::uint32_t{RT_TABLE_MAIN});
  }
  if (const Map those = metricsOf(route); !those.entries().empty()) {
    const auto nest = to.batch.nest(RTA_METRICS);
    metrics.encode(those, to);
  }
  if (const Value* hops = given(route, "nextHops")) {
    const auto scope = to.path.at("nextHops");
    encodeNextHops(*hops, header.rtm_family, to);
  }
}

void encodeAddRoute(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_NEWROUTE, writeFlags(arguments, to.path));
  const Map& route = part(arguments, "route", to.path);
  const auto scope = to.path.at("route");
  encodeRoute(route, to, false);
}

void encodeDeleteRoute(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_DELROUTE, 0);
  const Map& route = part(arguments, "route", to.path);
  const auto scope = to.path.at("route");
  encodeRoute(route, to, true);
}

void encodeListRoutes(const Map&, Encoder& to) {
  to.batch.begin(RTM_GETROUTE, NLM_F_DUMP);
  to.batch.header(rtmsg{});
}

List decodeNextHops(Span bytes) {
  List hops;
  while (const auto header = readAs<rtnexthop>(bytes)) {
    if (header->rtnh_len < sizeof *header || header->rtnh_len > bytes.size()) {
      break;
    }
    Map hop{{"index", header->rtnh_ifindex}, {"weight", header->rtnh_hops + 1}};
    if ((header->rtnh_flags & RTNH_F_ONLINK) != 0) {
      hop.set("onlink", true);
    }
    const Span options = bytes.subspan(sizeof *header, header->rtnh_len - sizeof *header);
    if (const auto gateway = findAttribute(options, RTA_GATEWAY)) {
      hop.set("gateway", ipAddress()->decode(*gateway));
    }
    hops.emplace_back(std::move(hop));
    bytes = bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->rtnh_len), bytes.size()));
  }
  return hops;
}

Value decodeRoute(const Message& message) {
  const auto header = readAs<rtmsg>(message.payload);
  // Cloned entries are the IPv6 routing cache.
  if (message.header.nlmsg_type != RTM_NEWROUTE || !header || (header->rtm_flags & RTM_F_CLONED) != 0) {
    return {};
  }
  const Span rest = message.attributes<rtmsg>();
  const auto target = IpAddress::read(findAttribute(rest, RTA_DST).value_or(Span()));
  Map route{{"destination",
             header->rtm_dst_len == 0 ? "default" : formatPrefix(target ? target->text() : "", header->rtm_dst_len)},
            {"family", enumName(header->rtm_family, routeFamilies)},
            {"type", enumName(header->rtm_type, routeTypes)},
            {"scope", enumName(header->rtm_scope, scopeNames())},
            {"protocol", enumName(header->rtm_protocol, routeProtocols)},
            {"table", static_cast<std::uint32_t>(header->rtm_table)}};
  if ((header->rtm_flags & RTNH_F_ONLINK) != 0) {
    route.set("onlink", true);
  }
  if (header->rtm_tos != 0) {
    route.set("tos", std::uint32_t{header->rtm_tos});
  }
  routeAttributes.decode(rest, route);
  if (const auto info = readAs<rta_cacheinfo>(findAttribute(rest, RTA_CACHEINFO).value_or(Span()));
      info && info->rta_expires > 0) {
    route.set("expires", info->rta_expires / ticksASecond);
  }
  if (const auto found = findAttribute(rest, RTA_METRICS)) {
    metrics.decode(*found, route);
  }
  if (const auto hops = findAttribute(rest, RTA_MULTIPATH)) {
    route.set("nextHops", decodeNextHops(*hops));
  }
  return route;
}

}  // namespace

OperationKinds routeOperations() {
  static const auto kinds = objectOperations({.name = "route",
                                              .add = encodeAddRoute,
                                              .remove = encodeDeleteRoute,
                                              .list = encodeListRoutes,
                                              .decode = decodeRoute});
  return kinds;
}

}  // namespace vethwork
