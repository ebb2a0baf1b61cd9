#include "engine/event.h"

#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "engine/operation.h"
#include "rtnetlink/link.h"
#include "schema/schema.h"

namespace vethwork {

namespace {

/// Reports a committed nftables transaction.
constexpr std::uint16_t nftablesGeneration = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;
constexpr std::uint16_t connectionChanged = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
constexpr std::uint16_t connectionDeleted = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

constexpr std::array<unsigned int, 1> linkGroups{RTNLGRP_LINK};
constexpr std::array<unsigned int, 2> addressGroups{RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
constexpr std::array<unsigned int, 2> routeGroups{RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
constexpr std::array<unsigned int, 1> neighbourGroups{RTNLGRP_NEIGH};
constexpr std::array<unsigned int, 2> ruleGroups{RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE};
constexpr std::array<unsigned int, 1> trafficGroups{RTNLGRP_TC};
constexpr std::array<unsigned int, 2> settingGroups{RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF};
constexpr std::array<unsigned int, 1> nftablesGroups{NFNLGRP_NFTABLES};
constexpr std::array<std::uint16_t, 1> nftablesTypes{nftablesGeneration};
constexpr std::array<unsigned int, 3> connectionGroups{NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE,
                                                       NFNLGRP_CONNTRACK_DESTROY};
constexpr std::array<std::uint16_t, 2> connectionTypes{connectionChanged, connectionDeleted};

/// Notifications of an object type. The object is decoded like the answers to a query.
struct ObjectMessages {
  std::uint16_t changed;
  std::uint16_t deleted;
  std::string_view object;
  std::string_view changedEvent;
  std::string_view deletedEvent;
  std::string_view query;
};

constexpr std::array<ObjectMessages, 8> objectMessages{{
    {RTM_NEWLINK, RTM_DELLINK, "link", "link.changed", "link.deleted", "link.list"},
    {RTM_NEWADDR, RTM_DELADDR, "address", "address.changed", "address.deleted", "address.list"},
    {RTM_NEWROUTE, RTM_DELROUTE, "route", "route.changed", "route.deleted", "route.list"},
    {RTM_NEWNEIGH, RTM_DELNEIGH, "neighbour", "neighbour.changed", "neighbour.deleted", "neighbour.list"},
    {RTM_NEWRULE, RTM_DELRULE, "rule", "rule.changed", "rule.deleted", "rule.list"},
    {RTM_NEWQDISC, RTM_DELQDISC, "qdisc", "qdisc.changed", "qdisc.deleted", "qdisc.list"},
    {RTM_NEWTFILTER, RTM_DELTFILTER, "filter", "filter.changed", "filter.deleted", "filter.list"},
    {connectionChanged, connectionDeleted, "connection", "connection.changed", "connection.deleted", "conntrack.list"},
}};

/// RTNLGRP_LINK also carries messages of bridges about their ports. An RTM_DELLINK of the family AF_BRIDGE means that a
/// link left its bridge, not that it was deleted.
Value decodePort(const Message& message) {
  const auto header = readAs<ifinfomsg>(message.payload);
  const Span rest = message.attributes<ifinfomsg>();
  Map event{{"event", message.header.nlmsg_type == RTM_NEWLINK ? "port.changed" : "port.deleted"},
            {"index", header->ifi_index}};
  if (const auto master = readAs<std::uint32_t>(findAttribute(rest, IFLA_MASTER).value_or(Span()))) {
    event.set("master", *master);
  }
  if (const auto options = findAttribute(rest, IFLA_PROTINFO)) {
    Map port;
    findPortKind("bridge")->options.decode(*options, port);
    event.set("port", std::move(port));
  }
  return event;
}

bool isOfBridge(const Message& message) {
  const auto header = readAs<ifinfomsg>(message.payload);
  const bool isLink = message.header.nlmsg_type == RTM_NEWLINK || message.header.nlmsg_type == RTM_DELLINK;
  return isLink && header && header->ifi_family == AF_BRIDGE;
}

/// The sysctls below net/ipv4/conf and net/ipv6/conf that the kernel reports (netconf.h).
const Schema& setting() {
  static const Schema schema{{
                                 {"forwarding", NETCONFA_FORWARDING, boolean32()},
                                 {"rpFilter", NETCONFA_RP_FILTER, i32(0, 2)},
                             },
                             {NETCONFA_IFINDEX, NETCONFA_MC_FORWARDING, NETCONFA_PROXY_NEIGH,
                              NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN, NETCONFA_INPUT, NETCONFA_BC_FORWARDING}};
  return schema;
}

/// RTM_DELNETCONF is not an event: the link of the settings is deleted.
Value decodeSetting(const Message& message) {
  const auto header = readAs<netconfmsg>(message.payload);
  const Span rest = message.attributes<netconfmsg>();
  const auto index = readAs<std::int32_t>(findAttribute(rest, NETCONFA_IFINDEX).value_or(Span()));
  if (!header || !index || (header->ncm_family != AF_INET && header->ncm_family != AF_INET6)) {
    return {};
  }
  Map event{{"event", "setting.changed"}, {"family", header->ncm_family == AF_INET ? "inet" : "inet6"}};
  if (*index > 0) {
    event.set("index", *index);
  } else {
    event.set("scope", *index == NETCONFA_IFINDEX_ALL ? "all" : "default");
  }
  setting().decode(rest, event);
  return event;
}

const Schema& generationAttributes() {
  static const Schema schema{{
      {"generation", NFTA_GEN_ID, be32()},
      {"pid", NFTA_GEN_PROC_PID, be32()},
      {"program", NFTA_GEN_PROC_NAME, text(64)},
  }};
  return schema;
}

}  // namespace

std::span<const Topic> allTopics() {
  static constexpr std::array<Topic, 9> all{{
      {"link", NETLINK_ROUTE, linkGroups},
      {"address", NETLINK_ROUTE, addressGroups},
      {"route", NETLINK_ROUTE, routeGroups},
      {"neighbour", NETLINK_ROUTE, neighbourGroups},
      {"rule", NETLINK_ROUTE, ruleGroups},
      {"traffic", NETLINK_ROUTE, trafficGroups},
      {"setting", NETLINK_ROUTE, settingGroups},
      {"nftables", NETLINK_NETFILTER, nftablesGroups, nftablesTypes},
      {"connection", NETLINK_NETFILTER, connectionGroups, connectionTypes, false},
  }};
  return all;
}

Value decodeEvent(const Message& message) {
  const std::uint16_t type = message.header.nlmsg_type;
  if (type == nftablesGeneration) {
    Map event{{"event", "nftables.changed"}};
    generationAttributes().decode(message.attributes<nfgenmsg>(), event);
    return event;
  }
  if (type == RTM_NEWNETCONF) {
    return decodeSetting(message);
  }
  if (isOfBridge(message)) {
    return decodePort(message);
  }
  const auto messages =
      std::ranges::find_if(objectMessages, [&](const auto& one) { return type == one.changed || type == one.deleted; });
  if (messages == objectMessages.end()) {
    return {};
  }
  const auto decode = std::get<NetlinkOperation>(findOperation(messages->query)->how).decode;
  Value object = decode(message);
  if (object.isNull()) {
    // Most deletion messages have the format of the creation message and differ in their type only.
    Message as = message;
    as.header.nlmsg_type = messages->changed;
    object = decode(as);
  }
  if (object.isNull()) {
    return {};
  }
  Map event{{"event", type == messages->changed ? messages->changedEvent : messages->deletedEvent}};
  event.set(messages->object, std::move(object));
  return event;
}

}  // namespace vethwork
