#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <limits>

#include "rtnetlink/objects.h"
#include "rtnetlink/write_mode.h"
#include "schema/address.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

constexpr std::uint32_t forever = std::numeric_limits<std::uint32_t>::max();

const Schema attributes{{
                            {"broadcast", IFA_BROADCAST, ipAddress()},
                            {"label", IFA_LABEL, interfaceName()},
                            {"priority", IFA_RT_PRIORITY, u32()},
                        },
                        {IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO}};

std::uint32_t lifetime(const Map& address, std::string_view key, Path& path) {
  const Value* seconds = given(address, key);
  const auto scope = path.at(key);
  return seconds == nullptr ? forever : static_cast<std::uint32_t>(integer(*seconds, path, 0, forever));
}

std::uint32_t flags(const Map& address, Path& path) {
  static constexpr std::array<std::pair<std::string_view, std::uint32_t>, 2> known{
      {{"nodad", IFA_F_NODAD}, {"noPrefixRoute", IFA_F_NOPREFIXROUTE}}};
  std::uint32_t flags = 0;
  for (const auto& [name, bit] : known) {
    const auto scope = path.at(name);
    if (const Value* value = given(address, name); value != nullptr && boolean(*value, path)) {
      flags |= bit;
    }
  }
  return flags;
}

constexpr std::array<std::string_view, 8> others{"index", "address",       "peer",          "scope",
                                                 "nodad", "noPrefixRoute", "validLifetime", "preferredLifetime"};

/// The header and the address itself, which is all that a deletion takes. Returns the family.
std::uint8_t encodeIdentity(const Map& address, Encoder& to) {
  const IpPrefix own = [&] {
    const auto scope = to.path.at("address");
    return prefix(member(address, "address"), to.path);
  }();
  ifaddrmsg header{};
  header.ifa_family = own.address.family();
  header.ifa_prefixlen = own.length;
  header.ifa_index = static_cast<std::uint32_t>(linkIndex(address, to.path));
  if (const Value* scopeName = given(address, "scope")) {
    const auto scope = to.path.at("scope");
    header.ifa_scope = static_cast<std::uint8_t>(word(*scopeName, to.path, scopeWords()));
  }
  to.batch.header(header);
  to.batch.put(IFA_LOCAL, own.address.bytes());
  const Value* peer = given(address, "peer");
  const auto scope = to.path.at("peer");
  to.batch.put(IFA_ADDRESS, (peer == nullptr ? own.address : ip(*peer, header.ifa_family, to.path)).bytes());
  return header.ifa_family;
}

void encodeAdd(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_NEWADDR, writeFlags(arguments, to.path));
  const Map& address = part(arguments, "address", to.path);
  const auto scope = to.path.at("address");
  const std::uint8_t family = encodeIdentity(address, to);
  if (const Value* broadcast = given(address, "broadcast")) {
    const auto field = to.path.at("broadcast");
    (void)ip(*broadcast, family, to.path);
  }
  if (const std::uint32_t bits = flags(address, to.path); bits != 0) {
    to.batch.put(IFA_FLAGS, bits);
  }
  const ifa_cacheinfo lifetimes{.ifa_prefered = lifetime(address, "preferredLifetime", to.path),
                                .ifa_valid = lifetime(address, "validLifetime", to.path),
                                .cstamp = 0,
                                .tstamp = 0};
  if (lifetimes.ifa_prefered != forever || lifetimes.ifa_valid != forever) {
    to.batch.put(IFA_CACHEINFO, lifetimes);
  }
  attributes.encode(address, to, others);
}

void encodeDelete(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_DELADDR, 0);
  const Map& address = part(arguments, "address", to.path);
  const auto scope = to.path.at("address");
  (void)encodeIdentity(address, to);
  // Checked like the rest, though the kernel asks for no more.
  Batch discarded;
  Encoder checker{.batch = discarded, .namespaces = to.namespaces, .path = to.path};
  attributes.encode(address, checker, others);
}

void encodeList(const Map&, Encoder& to) {
  to.batch.begin(RTM_GETADDR, NLM_F_DUMP);
  to.batch.header(ifaddrmsg{});
}

Value decode(const Message& message) {
  const auto header = readAs<ifaddrmsg>(message.payload);
  if (message.header.nlmsg_type != RTM_NEWADDR || !header) {
    return {};
  }
  const Span rest = message.attributes<ifaddrmsg>();
  // IFA_LOCAL is the own address where both are there; IPv6 without a peer has only IFA_ADDRESS.
  const auto local = findAttribute(rest, IFA_LOCAL);
  const auto other = findAttribute(rest, IFA_ADDRESS);
  const auto own = IpAddress::read(local ? *local : other.value_or(Span()));
  Map address{{"index", header->ifa_index},
              {"address", formatPrefix(own ? own->text() : "", header->ifa_prefixlen)},
              {"scope", wordOf(header->ifa_scope, scopeWords())}};
  if (const auto peer = IpAddress::read(other.value_or(Span())); peer && local && peer->text() != own->text()) {
    address.set("peer", peer->text());
  }
  std::uint32_t bits = header->ifa_flags;
  if (const auto wide = findAttribute(rest, IFA_FLAGS)) {
    bits = readAs<std::uint32_t>(*wide).value_or(bits);
  }
  static constexpr std::array<std::pair<std::string_view, std::uint32_t>, 5> shown{
      {{"nodad", IFA_F_NODAD},
       {"noPrefixRoute", IFA_F_NOPREFIXROUTE},
       {"tentative", IFA_F_TENTATIVE},
       {"dadFailed", IFA_F_DADFAILED},
       {"permanent", IFA_F_PERMANENT}}};
  for (const auto& [name, bit] : shown) {
    if ((bits & bit) != 0) {
      address.set(name, true);
    }
  }
  if (const auto info = findAttribute(rest, IFA_CACHEINFO)) {
    if (const auto times = readAs<ifa_cacheinfo>(*info)) {
      if (times->ifa_valid != forever) {
        address.set("validLifetime", times->ifa_valid);
      }
      if (times->ifa_prefered != forever) {
        address.set("preferredLifetime", times->ifa_prefered);
      }
    }
  }
  attributes.decode(rest, address);
  return address;
}

}  // namespace

OperationKinds addressOperations() {
  static const std::array<OperationKind, 3> kinds{{
      {"address.add", NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeAdd}, {"netns", "address", "mode"}},
      {"address.delete",
       NetlinkOperation{.protocol = NETLINK_ROUTE, .encode = encodeDelete, .final = true},
       {"netns", "address"}},
      {"address.list",
       NetlinkOperation{.protocol = NETLINK_ROUTE,
                        .encode = encodeList,
                        .decode = decode,
                        .sending = NetlinkOperation::Sending::dump},
       {"netns"}},
  }};
  return kinds;
}

}  // namespace vethwork
