#include "rtnetlink/link.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <memory>

#include "rtnetlink/protocol_settings.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

const EnumNames operationalStates{{"unknown", 0}, {"not-present", 1}, {"down", 2}, {"lower-layer-down", 3},
                                  {"testing", 4}, {"dormant", 5},     {"up", 6}};

const Schema linkAttributes{{
                                {"name", IFLA_IFNAME, interfaceName()},
                                {"mtu", IFLA_MTU, u32(68, 0x7fffffff)},
                                {"address", IFLA_ADDRESS, unicastMac()},
                                {"broadcast", IFLA_BROADCAST, mac(), Presence::reported},
                                {"master", IFLA_MASTER, u32(0, maximumIndex)},
                                {"group", IFLA_GROUP, u32()},
                                {"netns", IFLA_NET_NS_FD, namespaceDescriptor()},
                                {"txQueueLength", IFLA_TXQLEN, u32()},
                                {"txQueues", IFLA_NUM_TX_QUEUES, u32(1, 4096)},
                                {"rxQueues", IFLA_NUM_RX_QUEUES, u32(1, 4096)},
                                {"alias", IFLA_IFALIAS, text(255)},
                                {"link", IFLA_LINK, u32(1, maximumIndex)},
                                {"linkNamespaceId", IFLA_LINK_NETNSID, i32(-1, maximumIndex), Presence::reported},
                                {"operationalState", IFLA_OPERSTATE, enum8(operationalStates), Presence::reported},
                                {"carrier", IFLA_CARRIER, boolean8(), Presence::reported},
                                {"promiscuity", IFLA_PROMISCUITY, u32(), Presence::reported},
                                {"minimumMtu", IFLA_MIN_MTU, u32(), Presence::reported},
                                {"maximumMtu", IFLA_MAX_MTU, u32(), Presence::reported},
                                {"queueingDiscipline", IFLA_QDISC, text(64), Presence::reported},
                            },
                            // Decoded separately, or counters and hardware details that are not reported.
                            {IFLA_LINKINFO,
                             IFLA_AF_SPEC,
                             IFLA_STATS,
                             IFLA_STATS64,
                             IFLA_MAP,
                             IFLA_LINKMODE,
                             IFLA_XDP,
                             IFLA_CARRIER_CHANGES,
                             IFLA_CARRIER_UP_COUNT,
                             IFLA_CARRIER_DOWN_COUNT,
                             IFLA_PROTO_DOWN,
                             IFLA_GSO_MAX_SEGS,
                             IFLA_GSO_MAX_SIZE,
                             IFLA_PROP_LIST,
                             IFLA_PERM_ADDRESS,
                             IFLA_EVENT,
                             IFLA_PROTINFO,
                             IFLA_PARENT_DEV_NAME,
                             IFLA_PARENT_DEV_BUS_NAME,
                             IFLA_GRO_MAX_SIZE,
                             IFLA_TSO_MAX_SIZE,
                             IFLA_TSO_MAX_SEGS,
                             IFLA_ALLMULTI,
                             63 /* GSO_IPV4_MAX_SIZE */,
                             64 /* GRO_IPV4_MAX_SIZE */,
                             65 /* DPLL_PIN */,
                             66 /* MAX_PACING_OFFLOAD_HORIZON */,
                             67 /* NETNS_IMMUTABLE */,
                             68 /* HEADROOM */,
                             69 /* TAILROOM */}};

void encodeHeader(const Map& link, Encoder& to) {
  ifinfomsg header{};
  if (given(link, "index") != nullptr) {
    header.ifi_index = linkIndex(link, to.path);
  }
  if (const Value* up = given(link, "up")) {
    const auto scope = to.path.at("up");
    header.ifi_change = IFF_UP;
    header.ifi_flags = boolean(*up, to.path) ? IFF_UP : 0;
  }
  to.batch.header(header);
}

/// Rejects properties that the kernel would silently ignore.
void refuse(const Map& link, Path& path, std::string_view key, std::string_view expected) {
  if (const Value* value = given(link, key)) {
    const auto scope = path.at(key);
    path.reject(*value, expected);
  }
}

constexpr std::string_view noLower = "nothing: only a new link of a stacked kind has a lower link";

constexpr std::string_view noAlias = "nothing: a new link's alias is set by link.set";

void encodeKind(const Map& link, Encoder& to) {
  const LinkKind& kind = named(link, "kind", findLinkKind, "a known kind of link", to.path);
  const auto info = to.batch.nest(IFLA_LINKINFO);
  to.batch.putText(IFLA_INFO_KIND, kind.name);
  if (kind.overLower && given(link, "link") == nullptr) {
    const auto scope = to.path.at("link");
    to.path.reject(Value(), "the index of the lower link");
  }
  if (!kind.overLower) {
    refuse(link, to.path, "link", noLower);
  }
  const Value* data = given(link, "data");
  const auto scope = to.path.at("data");
  const auto options = to.batch.nest(IFLA_INFO_DATA);
  static const Map none;
  const Map& values = data == nullptr ? none : object(*data, to.path);
  if (kind.check != nullptr) {
    kind.check(values, to.path);
  }
  kind.options.encode(values, to);
}

/// Options of the link as a port of its current bridge. The kernel sets them before everything else in the message:
/// before the link is brought up by it, but also before it becomes a port by it.
void encodePortOptions(const Map& changes, Encoder& to) {
  const Value* port = given(changes, "port");
  if (port == nullptr) {
    return;
  }
  const auto scope = to.path.at("port");
  const auto info = to.batch.nest(IFLA_LINKINFO);
  const LinkKind& kind = *findPortKind("bridge");
  to.batch.putText(IFLA_INFO_SLAVE_KIND, kind.name);
  const auto options = to.batch.nest(IFLA_INFO_SLAVE_DATA);
  kind.options.encode(object(*port, to.path), to);
}

class LinkMessage final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    static constexpr std::array<std::string_view, 2> others{"index", "up"};
    const auto nest = to.batch.nest(attribute);
    const Map& link = object(value, to.path);
    refuse(link, to.path, "alias", noAlias);
    refuse(link, to.path, "link", noLower);
    refuse(link, to.path, "master", "nothing: a peer's master is set by link.set");
    encodeHeader(link, to);
    linkAttributes.encode(link, to, others);
  }

  [[nodiscard]] Value decode(Span) const override { return {}; }
};

/// Reads `{ index }` or `{ name }`.
void encodeReference(const Map& reference, Encoder& to, ifinfomsg header) {
  static const CodecPointer nameCodec = interfaceName();
  static constexpr std::string_view byIndex = "index";
  static constexpr std::string_view byName = "name";
  const bool hasIndex = given(reference, "index") != nullptr;
  checkKeys(reference, {hasIndex ? &byIndex : &byName, 1}, to.path);
  if (hasIndex) {
    header.ifi_index = linkIndex(reference, to.path);
    to.batch.header(header);
    return;
  }
  to.batch.header(header);
  const auto scope = to.path.at("name");
  nameCodec->encode(member(reference, "name"), IFLA_IFNAME, to);
}

void encodeAddLink(const Map& arguments, Encoder& to) {
  static constexpr std::array<std::string_view, 4> others{"index", "up", "kind", "data"};
  const Map& link = part(arguments, "link", to.path);
  const auto scope = to.path.at("link");
  refuse(link, to.path, "alias", noAlias);
  if (given(link, "name") == nullptr) {
    // The kernel would choose a name and not report it.
    const auto field = to.path.at("name");
    to.path.reject(Value(), "a value: it is required");
  }
  to.batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  encodeHeader(link, to);
  linkAttributes.encode(link, to, others);
  encodeKind(link, to);
}

/// Skips the counters, which are most of a link message. RTM_GETSTATS reports them.
void withoutCounters(Encoder& to) { to.batch.put(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS}); }

/// Requests the state of the link before the change, in the same send, if undo state is captured.
void captureLink(const Map& arguments, const Map& reference, Encoder& to) {
  if (isTrue(arguments, "captureUndo", to.path)) {
    to.batch.begin(RTM_GETLINK, 0);
    encodeReference(reference, to, {});
    withoutCounters(to);
  }
}

/// Encodes one message that changes a link.
/// @param key the argument with the changes
void encodeChanges(const Map& arguments, std::string_view key, Encoder& to) {
  static constexpr std::array<std::string_view, 7> others{"index", "up", "inet", "inet6", "kind", "data", "port"};
  const Map& reference = part(arguments, "link", to.path);
  const Map& changes = part(arguments, key, to.path);
  ifinfomsg header{};
  if (const Value* up = given(changes, "up")) {
    const auto scope = to.path.at(key);
    const auto field = to.path.at("up");
    header.ifi_change = IFF_UP;
    header.ifi_flags = boolean(*up, to.path) ? IFF_UP : 0;
  }
  {
    const auto scope = to.path.at("link");
    if (given(reference, "index") == nullptr && given(changes, "name") != nullptr) {
      to.path.reject(reference, "an index: a link cannot be renamed by its name");
    }
    to.batch.begin(RTM_NEWLINK, 0);
    encodeReference(reference, to, header);
  }
  const auto scope = to.path.at(key);
  refuse(changes, to.path, "link", noLower);
  if (given(changes, "netns") == nullptr) {
    refuse(changes, to.path, "index", "nothing: only a link that is moved to another namespace gets another index");
  } else if (given(changes, "index") != nullptr) {
    to.batch.put(IFLA_NEW_IFINDEX, linkIndex(changes, to.path));
  }
  linkAttributes.encode(changes, to, others);
  if (given(changes, "kind") != nullptr || given(changes, "data") != nullptr) {
    refuse(changes, to.path, "port", "nothing: options of the port and of the kind cannot be changed together");
    encodeKind(changes, to);
  }
  encodePortOptions(changes, to);
  encodeProtocolSettings(changes, to);
}

/// Checks the undo changes before anything is sent.
void checkUndo(const Map& arguments, Encoder& to) {
  if (given(arguments, "undo") == nullptr) {
    return;
  }
  Batch unsent;
  Encoder check{.batch = unsent, .path = to.path};
  encodeChanges(arguments, "undo", check);
  if (unsent.error()) {
    const auto scope = to.path.at("undo");
    to.path.reject(Value(), *unsent.error());
  }
}

void encodeSet(const Map& arguments, Encoder& to) {
  checkUndo(arguments, to);
  {
    const Map& reference = part(arguments, "link", to.path);
    const auto scope = to.path.at("link");
    captureLink(arguments, reference, to);
  }
  encodeChanges(arguments, "changes", to);
}

void encodeDeleteLink(const Map& arguments, Encoder& to) {
  const Map& reference = part(arguments, "link", to.path);
  const auto scope = to.path.at("link");
  to.batch.begin(RTM_DELLINK, 0);
  if (const Value* group = given(reference, "group")) {
    static constexpr std::string_view byGroup = "group";
    checkKeys(reference, {&byGroup, 1}, to.path);
    const auto field = to.path.at("group");
    // All links are in group 0 by default.
    const auto number = static_cast<std::uint32_t>(integer(*group, to.path, 1, 0xffffffff));
    to.batch.header(ifinfomsg{});
    to.batch.put(IFLA_GROUP, number);
    return;
  }
  encodeReference(reference, to, {});
}

void encodePort(const Map& arguments, Encoder& to) {
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  header.ifi_index = linkIndex(arguments, to.path);
  captureLink(arguments, {{"index", header.ifi_index}}, to);
  // RTM_NEWLINK would succeed, but ignore IFLA_PROTINFO.
  to.batch.begin(RTM_SETLINK, 0);
  to.batch.header(header);
  const Map& port = part(arguments, "port", to.path);
  const auto scope = to.path.at("port");
  const auto options = to.batch.nest(IFLA_PROTINFO);
  findPortKind("bridge")->options.encode(port, to);
}

void encodeGet(const Map& arguments, Encoder& to) {
  const Map& reference = part(arguments, "link", to.path);
  const auto scope = to.path.at("link");
  to.batch.begin(RTM_GETLINK, 0);
  encodeReference(reference, to, {});
  withoutCounters(to);
}

void encodeListLinks(const Map&, Encoder& to) {
  to.batch.begin(RTM_GETLINK, NLM_F_DUMP);
  to.batch.header(ifinfomsg{});
  withoutCounters(to);
}

void decodeInfo(Span info, Map& link) {
  struct Names {
    std::uint16_t kind;
    std::uint16_t data;
    const char* kindName;
    const char* dataName;
    const LinkKind* (*find)(std::string_view);
  };
  static constexpr std::array<Names, 2> both{
      {{IFLA_INFO_KIND, IFLA_INFO_DATA, "kind", "data", findLinkKind},
       {IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA, "portKind", "port", findPortKind}}};
  for (const Names& names : both) {
    const auto name = findAttribute(info, names.kind);
    if (!name) {
      continue;
    }
    const Value kindName = text(64)->decode(*name);
    link.set(names.kindName, kindName);
    const auto data = findAttribute(info, names.data);
    if (!data) {
      continue;
    }
    Map options;
    if (const LinkKind* kind = names.find(*kindName.as<std::string>())) {
      kind->options.decode(*data, options);
    } else {
      static const Schema unknown{};
      unknown.decode(*data, options);
    }
    link.set(names.dataName, std::move(options));
  }
}

Value decodeLink(const Message& message) {
  const auto header = readAs<ifinfomsg>(message.payload);
  if (message.header.nlmsg_type != RTM_NEWLINK || !header) {
    return {};
  }
  Map link{{"index", header->ifi_index},
           {"type", header->ifi_type},
           {"flags", static_cast<std::uint32_t>(header->ifi_flags)},
           {"up", (header->ifi_flags & IFF_UP) != 0}};
  const Span rest = message.attributes<ifinfomsg>();
  linkAttributes.decode(rest, link);
  if (const auto info = findAttribute(rest, IFLA_LINKINFO)) {
    decodeInfo(*info, link);
  }
  if (const auto families = findAttribute(rest, IFLA_AF_SPEC)) {
    decodeProtocolSettings(*families, link);
  }
  return link;
}

}  // namespace

CodecPointer linkMessage() { return std::make_shared<LinkMessage>(); }

OperationKinds linkOperations() {
  using Sending = NetlinkOperation::Sending;
  static const std::array<OperationKind, 6> kinds{{
      {"link.add", NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeAddLink}, {"netns", "link"}},
      {"link.set",
       NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeSet, .decode = decodeLink, .hasOptionalReply = true},
       {"netns", "link", "changes", "undo"}},
      {"link.delete",
       NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeDeleteLink, .final = true},
       {"netns", "link"}},
      {"link.port",
       NetlinkOperation{
           .protocol = NETLINK_ROUTE, .encode = encodePort, .decode = decodeLink, .hasOptionalReply = true},
       {"netns", "index", "port"}},
      {"link.get",
       NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeGet, .decode = decodeLink},
       {"netns", "link"}},
      {"link.list",
       NetlinkOperation{
           .protocol = NETLINK_ROUTE, .encode = encodeListLinks, .decode = decodeLink, .sending = Sending::dump},
       {"netns"}},
  }};
  return kinds;
}

}  // namespace vethwork
