#include "rtnetlink/protocol_settings.h"

#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <sys/socket.h>

#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

/// Attributes of IFLA_INET_CONF have the numbers of the sysctls.
const Schema inetSettings{{
    {"forwarding", IPV4_DEVCONF_FORWARDING, u32()},
    {"proxyArp", IPV4_DEVCONF_PROXY_ARP, u32()},
    {"acceptRedirects", IPV4_DEVCONF_ACCEPT_REDIRECTS, u32()},
    {"sendRedirects", IPV4_DEVCONF_SEND_REDIRECTS, u32()},
    {"rpFilter", IPV4_DEVCONF_RP_FILTER, u32()},
    {"arpFilter", IPV4_DEVCONF_ARPFILTER, u32()},
    {"arpAnnounce", IPV4_DEVCONF_ARP_ANNOUNCE, u32()},
    {"arpIgnore", IPV4_DEVCONF_ARP_IGNORE, u32()},
    {"arpAccept", IPV4_DEVCONF_ARP_ACCEPT, u32()},
    {"arpNotify", IPV4_DEVCONF_ARP_NOTIFY, u32()},
    {"acceptLocal", IPV4_DEVCONF_ACCEPT_LOCAL, u32()},
    {"routeLocalnet", IPV4_DEVCONF_ROUTE_LOCALNET, u32()},
}};

const EnumNames addressGeneration{{"eui64", IN6_ADDR_GEN_MODE_EUI64},
                                  {"none", IN6_ADDR_GEN_MODE_NONE},
                                  {"stable-privacy", IN6_ADDR_GEN_MODE_STABLE_PRIVACY},
                                  {"random", IN6_ADDR_GEN_MODE_RANDOM}};

const Schema inet6Settings{{{"addressGeneration", IFLA_INET6_ADDR_GEN_MODE, enum8(addressGeneration)}},
                           {IFLA_INET6_FLAGS, IFLA_INET6_CONF, IFLA_INET6_STATS, IFLA_INET6_MCAST, IFLA_INET6_CACHEINFO,
                            IFLA_INET6_ICMP6STATS, IFLA_INET6_TOKEN, IFLA_INET6_RA_MTU}};

/// The kernel reports the settings as an array, indexed by attribute number minus 1.
Map decodeInetSettings(Span numbers) {
  Map settings;
  for (const Field& field : inetSettings.fields()) {
    const std::size_t offset = (field.attribute - std::size_t{1}) * sizeof(std::int32_t);
    if (offset < numbers.size()) {
      if (const auto number = readAs<std::int32_t>(numbers.subspan(offset))) {
        settings.set(field.name, *number);
      }
    }
  }
  return settings;
}

/// The same kind of array, indexed from 0. It can be set by sysctl only.
void decodeInet6Disabled(Span numbers, Map& link) {
  constexpr std::size_t offset = DEVCONF_DISABLE_IPV6 * sizeof(std::int32_t);
  if (offset < numbers.size()) {
    if (const auto disabled = readAs<std::int32_t>(numbers.subspan(offset))) {
      link.set("ipv6Disabled", *disabled != 0);
    }
  }
}

}  // namespace

void encodeProtocolSettings(const Map& link, Encoder& to) {
  const Value* inet = given(link, "inet");
  const Value* inet6 = given(link, "inet6");
  if (inet == nullptr && inet6 == nullptr) {
    return;
  }
  const auto families = to.batch.nest(IFLA_AF_SPEC);
  if (inet != nullptr) {
    const auto scope = to.path.at("inet");
    const auto family = to.batch.nest(AF_INET);
    const auto settings = to.batch.nest(IFLA_INET_CONF);
    inetSettings.encode(object(*inet, to.path), to);
  }
  if (inet6 != nullptr) {
    const auto scope = to.path.at("inet6");
    const auto family = to.batch.nest(AF_INET6);
    inet6Settings.encode(object(*inet6, to.path), to);
  }
}

void decodeProtocolSettings(Span families, Map& link) {
  if (const auto inet = findAttribute(families, AF_INET)) {
    if (const auto numbers = findAttribute(*inet, IFLA_INET_CONF)) {
      link.set("inet", decodeInetSettings(*numbers));
    }
  }
  if (const auto inet6 = findAttribute(families, AF_INET6)) {
    Map settings;
    inet6Settings.decode(*inet6, settings);
    if (const auto numbers = findAttribute(*inet6, IFLA_INET6_CONF)) {
      decodeInet6Disabled(*numbers, link);
    }
    link.set("inet6", std::move(settings));
  }
}

}  // namespace vethwork
