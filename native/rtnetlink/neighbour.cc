#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "rtnetlink/object_operations.h"
#include "rtnetlink/objects.h"
#include "rtnetlink/write_mode.h"
#include "schema/address.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

const EnumNames neighbourFamilies{{"inet", AF_INET}, {"inet6", AF_INET6}, {"bridge", AF_BRIDGE}};

const EnumNames neighbourStates{{"none", NUD_NONE},     {"incomplete", NUD_INCOMPLETE}, {"reachable", NUD_REACHABLE},
                                {"stale", NUD_STALE},   {"delay", NUD_DELAY},           {"probe", NUD_PROBE},
                                {"failed", NUD_FAILED}, {"noarp", NUD_NOARP},           {"permanent", NUD_PERMANENT}};

/// Flags beyond the first eight are in NDA_FLAGS_EXT.
constexpr int extendedShift = 8;

/// NTF_EXT_LOCKED, newer than the headers.
constexpr std::uint32_t extendedLocked = 2;

constexpr std::array<std::pair<std::string_view, std::uint32_t>, 9> neighbourFlags{
    {{"self", NTF_SELF},
     {"use", NTF_USE},
     {"managed", NTF_EXT_MANAGED << extendedShift},
     {"locked", extendedLocked << extendedShift},
     {"master", NTF_MASTER},
     {"proxy", NTF_PROXY},
     {"externallyLearned", NTF_EXT_LEARNED},
     {"sticky", NTF_STICKY},
     {"router", NTF_ROUTER}}};

const Schema neighbourAttributes{{
                                     {"destination", NDA_DST, ipAddress()},
                                     {"address", NDA_LLADDR, mac()},
                                     {"vlan", NDA_VLAN, u16(1, 4094)},
                                     {"vni", NDA_VNI, u32(0, 0xffffff)},
                                     {"port", NDA_PORT, be16()},
                                     {"via", NDA_IFINDEX, u32(1, maximumIndex)},
                                     {"masterIndex", NDA_MASTER, u32(), Presence::reported},
                                     {"protocol", NDA_PROTOCOL, u8()},
                                     {"nextHopId", NDA_NH_ID, u32(1)},
                                     {"sourceVni", NDA_SRC_VNI, u32(0, 0xffffff)},
                                 },
                                 {NDA_CACHEINFO, NDA_PROBES, NDA_FLAGS_EXT, NDA_FDB_EXT_ATTRS}};

std::uint8_t family(const Map& neighbour, Path& path) {
  if (const Value* value = given(neighbour, "family")) {
    std::uint8_t family = 0;
    {
      const auto scope = path.at("family");
      family = static_cast<std::uint8_t>(word(*value, path, neighbourFamilies));
    }
    if (const Value* destination = given(neighbour, "destination"); destination != nullptr && family != AF_BRIDGE) {
      const auto scope = path.at("destination");
      (void)ip(*destination, family, path);
    }
    return family;
  }
  const auto scope = path.at("destination");
  return ip(member(neighbour, "destination"), path).family();
}

void encodeNeighbour(const Map& arguments, Encoder& to) {
  static const auto others = [] {
    std::vector<std::string_view> names{"index", "family", "state"};
    std::ranges::transform(neighbourFlags, std::back_inserter(names), [](const auto& flag) { return flag.first; });
    return names;
  }();
  const Map& neighbour = part(arguments, "neighbour", to.path);
  const auto scope = to.path.at("neighbour");
  ndmsg header{};
  header.ndm_family = family(neighbour, to.path);
  header.ndm_ifindex = linkIndex(neighbour, to.path);
  header.ndm_state = NUD_PERMANENT;
  if (const Value* state = given(neighbour, "state")) {
    const auto field = to.path.at("state");
    header.ndm_state = static_cast<std::uint16_t>(word(*state, to.path, neighbourStates));
  }
  std::uint32_t bits = 0;
  for (const auto& [name, bit] : neighbourFlags) {
    bits |= isTrue(neighbour, name, to.path) ? bit : 0;
  }
  header.ndm_flags = static_cast<std::uint8_t>(bits);
  to.batch.header(header);
  if (const std::uint32_t extended = bits >> extendedShift; extended != 0) {
    to.batch.put(NDA_FLAGS_EXT, extended);
  }
  neighbourAttributes.encode(neighbour, to, others);
}

void encodeAddNeighbour(const Map& arguments, Encoder& to) {
  if (const Value* undo = given(arguments, "undo")) {
    // Used by the roll-back; only checked here.
    static const EnumNames undos{{"delete", 0}};
    const auto scope = to.path.at("undo");
    (void)word(*undo, to.path, undos);
  }
  to.batch.begin(RTM_NEWNEIGH, writeFlags(arguments, to.path));
  encodeNeighbour(arguments, to);
}

void encodeDeleteNeighbour(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_DELNEIGH, 0);
  encodeNeighbour(arguments, to);
}

void encodeListNeighbours(const Map& arguments, Encoder& to) {
  ndmsg header{};
  if (const Value* value = given(arguments, "family")) {
    const auto scope = to.path.at("family");
    header.ndm_family = static_cast<std::uint8_t>(word(*value, to.path, neighbourFamilies));
  }
  if (const Value* proxy = given(arguments, "proxy")) {
    const auto scope = to.path.at("proxy");
    header.ndm_flags = boolean(*proxy, to.path) ? NTF_PROXY : 0;
  }
  to.batch.begin(RTM_GETNEIGH, NLM_F_DUMP);
  to.batch.header(header);
}

/// States are bits, and entries of other tools may have several. `permanent` has precedence.
Value stateOf(std::uint16_t bits) {
  return enumName((bits & NUD_PERMANENT) != 0 ? std::uint32_t{NUD_PERMANENT} : bits, neighbourStates);
}

Value decodeNeighbour(const Message& message) {
  const auto header = readAs<ndmsg>(message.payload);
  if (message.header.nlmsg_type != RTM_NEWNEIGH || !header) {
    return {};
  }
  Map neighbour{{"family", enumName(header->ndm_family, neighbourFamilies)},
                {"index", header->ndm_ifindex},
                {"state", stateOf(header->ndm_state)}};
  const Span rest = message.attributes<ndmsg>();
  const auto extended = readAs<std::uint32_t>(findAttribute(rest, NDA_FLAGS_EXT).value_or(Span())).value_or(0);
  const std::uint32_t bits = header->ndm_flags | extended << extendedShift;
  for (const auto& [name, bit] : neighbourFlags) {
    if ((bits & bit) != 0) {
      neighbour.set(name, true);
    }
  }
  neighbourAttributes.decode(rest, neighbour);
  return neighbour;
}

}  // namespace

OperationKinds neighbourOperations() {
  static const auto kinds = objectOperations({.name = "neighbour",
                                              .add = encodeAddNeighbour,
                                              .remove = encodeDeleteNeighbour,
                                              .list = encodeListNeighbours,
                                              .decode = decodeNeighbour,
                                              .addTakes = {"mode", "undo"},
                                              .listTakes = {"family", "proxy"}});
  return kinds;
}

}  // namespace vethwork
