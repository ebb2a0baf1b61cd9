#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <array>

#include "rtnetlink/filter/kinds.h"
#include "rtnetlink/object_operations.h"
#include "rtnetlink/objects.h"
#include "rtnetlink/traffic/handle.h"
#include "rtnetlink/write_mode.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

const EnumNames filterParents{{"ingress", TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)},
                              {"egress", TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)},
                              {"root", TC_H_ROOT}};

const EnumNames filterProtocols{{"all", ETH_P_ALL}, {"ip", ETH_P_IP}, {"ipv6", ETH_P_IPV6}, {"arp", ETH_P_ARP}};

std::uint32_t parent(const Map& filter, Path& path) {
  return trafficHandle(filter, "parent", filterParents.front().second, path, filterParents);
}

/// Encodes the identity of a filter: link, parent, priority, protocol and handle.
tcmsg filterHeader(const Map& filter, Path& path) {
  tcmsg message{};
  message.tcm_ifindex = linkIndex(filter, path);
  message.tcm_parent = parent(filter, path);
  message.tcm_handle = trafficHandle(filter, "handle", 0, path);
  std::uint32_t protocol = ETH_P_ALL;
  if (const Value* value = given(filter, "protocol")) {
    const auto scope = path.at("protocol");
    protocol = word(*value, path, filterProtocols);
  }
  const auto scope = path.at("priority");
  const auto priority = static_cast<std::uint32_t>(integer(member(filter, "priority"), path, 1, 0xffff));
  message.tcm_info = priority << 16 | htons(static_cast<std::uint16_t>(protocol));
  return message;
}

const TrafficKind& filterKind(const Map& filter, Path& path) {
  return named(filter, "kind", findFilterKind, "a known kind of filter", path);
}

void encodeAddFilter(const Map& arguments, Encoder& to) {
  static const Schema known{};
  static constexpr std::array<std::string_view, 7> names{"index",    "parent", "handle", "protocol",
                                                         "priority", "kind",   "data"};
  const Map& filter = part(arguments, "filter", to.path);
  // The kernel chooses the handle and reports it if NLM_F_ECHO is set.
  const std::uint16_t echo = isTrue(arguments, "captureUndo", to.path) ? NLM_F_ECHO : 0;
  to.batch.begin(RTM_NEWTFILTER, writeFlags(arguments, to.path) | echo);
  const auto scope = to.path.at("filter");
  known.encode(filter, to, names);
  const TrafficKind& kind = filterKind(filter, to.path);
  to.batch.header(filterHeader(filter, to.path));
  to.batch.putText(TCA_KIND, kind.name);
  const auto options = to.batch.nest(TCA_OPTIONS);
  const Map& data = part(filter, "data", to.path);
  const auto field = to.path.at("data");
  kind.encode(data, to);
}

void encodeDeleteFilter(const Map& arguments, Encoder& to) {
  const Map& filter = part(arguments, "filter", to.path);
  const auto scope = to.path.at("filter");
  to.batch.begin(RTM_DELTFILTER, 0);
  to.batch.header(filterHeader(filter, to.path));
  if (given(filter, "kind") != nullptr) {
    to.batch.putText(TCA_KIND, filterKind(filter, to.path).name);
  }
}

void encodeListFilters(const Map& arguments, Encoder& to) {
  tcmsg message{};
  message.tcm_ifindex = linkIndex(arguments, to.path);
  message.tcm_parent = parent(arguments, to.path);
  to.batch.begin(RTM_GETTFILTER, NLM_F_DUMP);
  to.batch.header(message);
}

Value decodeFilter(const Message& message) {
  const auto header = readAs<tcmsg>(message.payload);
  const bool deleted = message.header.nlmsg_type == RTM_DELTFILTER;
  if ((!deleted && message.header.nlmsg_type != RTM_NEWTFILTER) || !header) {
    return {};
  }
  const Span rest = message.attributes<tcmsg>();
  const Value name = text(64)->decode(findAttribute(rest, TCA_KIND).value_or(Span()));
  Map filter{{"index", header->tcm_ifindex},
             {"parent", formatTrafficHandle(header->tcm_parent, filterParents)},
             {"protocol", enumName(ntohs(static_cast<std::uint16_t>(header->tcm_info & 0xffff)), filterProtocols)},
             {"priority", header->tcm_info >> 16},
             {"kind", name}};
  const auto options = findAttribute(rest, TCA_OPTIONS);
  if (!options) {
    // A notification about a complete priority (chain of filters), sent when all its filters are deleted.
    return deleted ? Value(std::move(filter)) : Value();
  }
  filter.set("handle", formatTrafficHandle(header->tcm_handle));
  if (const TrafficKind* kind = findFilterKind(*name.as<std::string>())) {
    Map data;
    kind->decode(*options, data);
    if (data.entries().empty()) {
      // A hash table of u32.
      return {};
    }
    filter.set("data", std::move(data));
  }
  return filter;
}

}  // namespace

OperationKinds filterOperations() {
  static const auto kinds = objectOperations({.name = "filter",
                                              .add = encodeAddFilter,
                                              .remove = encodeDeleteFilter,
                                              .list = encodeListFilters,
                                              .decode = decodeFilter,
                                              .listTakes = {"index", "parent"},
                                              .echoes = true});
  return kinds;
}

}  // namespace vethwork
