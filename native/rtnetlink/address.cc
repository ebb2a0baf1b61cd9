#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <span>
#include <vector>

#include "rtnetlink/object_operations.h"
#include "rtnetlink/objects.h"
#include "rtnetlink/write_mode.h"
#include "schema/address.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

constexpr std::uint32_t forever = std::numeric_limits<std::uint32_t>::max();

const Schema addressAttributes{{
                                   {"broadcast", IFA_BROADCAST, ipAddress()},
                                   {"label", IFA_LABEL, interfaceName()},
                                   {"priority", IFA_RT_PRIORITY, u32()},
                                   {"protocol", IFA_PROTO, u8()},
                               },
                               {IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS}};

std::uint32_t lifetime(const Map& address, std::string_view key, Path& path) {
  const Value* seconds = given(address, key);
  const auto scope = path.at(key);
  return seconds == nullptr ? forever : static_cast<std::uint32_t>(integer(*seconds, path, 0, forever));
}

using Flags = std::pair<std::string_view, std::uint32_t>;

constexpr std::array<Flags, 6> ownFlags{{{"nodad", IFA_F_NODAD},
                                         {"noPrefixRoute", IFA_F_NOPREFIXROUTE},
                                         {"optimistic", IFA_F_OPTIMISTIC},
                                         {"homeAddress", IFA_F_HOMEADDRESS},
                                         {"manageTemporary", IFA_F_MANAGETEMPADDR},
                                         {"joinMulticast", IFA_F_MCAUTOJOIN}}};

/// In IPv6, IFA_F_SECONDARY means a temporary address.
constexpr std::array<Flags, 6> reportedFlags{{{"tentative", IFA_F_TENTATIVE},
                                              {"dadFailed", IFA_F_DADFAILED},
                                              {"permanent", IFA_F_PERMANENT},
                                              {"deprecated", IFA_F_DEPRECATED},
                                              {"secondary", IFA_F_SECONDARY},
                                              {"stablePrivacy", IFA_F_STABLE_PRIVACY}}};

std::uint32_t addressFlags(const Map& address, Path& path) {
  std::uint32_t flags = 0;
  for (const auto& [name, bit] : ownFlags) {
    flags |= isTrue(address, name, path) ? bit : 0;
  }
  return flags;
}

const auto addressOthers = [] {
  std::vector<std::string_view> names{"index", "address", "peer", "scope", "validLifetime", "preferredLifetime"};
  std::ranges::transform(ownFlags, std::back_inserter(names), &Flags::first);
  return names;
}();

/// Encodes the header and the address, which is all that a deletion needs. Returns the family.
std::uint8_t encodeAddressIdentity(const Map& address, Encoder& to) {
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
    header.ifa_scope = static_cast<std::uint8_t>(word(*scopeName, to.path, scopeNames()));
  }
  to.batch.header(header);
  to.batch.put(IFA_LOCAL, own.address.bytes());
  const Value* peer = given(address, "peer");
  const auto scope = to.path.at("peer");
  to.batch.put(IFA_ADDRESS, (peer == nullptr ? own.address : ip(*peer, header.ifa_family, to.path)).bytes());
  return header.ifa_family;
}

void encodeAddAddress(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_NEWADDR, writeFlags(arguments, to.path));
  const Map& address = part(arguments, "address", to.path);
  const auto scope = to.path.at("address");
  const std::uint8_t family = encodeAddressIdentity(address, to);
  if (const Value* broadcast = given(address, "broadcast")) {
    const auto field = to.path.at("broadcast");
    (void)ip(*broadcast, family, to.path);
  }
  if (const std::uint32_t bits = addressFlags(address, to.path); bits != 0) {
    to.batch.put(IFA_FLAGS, bits);
  }
  const ifa_cacheinfo lifetimes{.ifa_prefered = lifetime(address, "preferredLifetime", to.path),
                                .ifa_valid = lifetime(address, "validLifetime", to.path),
                                .cstamp = 0,
                                .tstamp = 0};
  if (lifetimes.ifa_prefered != forever || lifetimes.ifa_valid != forever) {
    to.batch.put(IFA_CACHEINFO, lifetimes);
  }
  addressAttributes.encode(address, to, addressOthers);
}

void encodeDeleteAddress(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_DELADDR, 0);
  const Map& address = part(arguments, "address", to.path);
  const auto scope = to.path.at("address");
  (void)encodeAddressIdentity(address, to);
  // Checked completely, although the kernel requires no more.
  Batch discarded;
  Encoder checker{.batch = discarded, .path = to.path};
  addressAttributes.encode(address, checker, addressOthers);
}

/// With an index, a kernel with strict checking (5.0) lists only the addresses of that link.
void encodeListAddresses(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_GETADDR, NLM_F_DUMP);
  ifaddrmsg header{};
  if (given(arguments, "index") != nullptr) {
    header.ifa_index = static_cast<std::uint32_t>(linkIndex(arguments, to.path));
  }
  to.batch.header(header);
}

Value decodeAddress(const Message& message) {
  const auto header = readAs<ifaddrmsg>(message.payload);
  if (message.header.nlmsg_type != RTM_NEWADDR || !header) {
    return {};
  }
  const Span rest = message.attributes<ifaddrmsg>();
  // IFA_LOCAL is the local address if both are present. IPv6 addresses without a peer have IFA_ADDRESS only.
  const auto local = findAttribute(rest, IFA_LOCAL);
  const auto other = findAttribute(rest, IFA_ADDRESS);
  const auto own = IpAddress::read(local ? *local : other.value_or(Span()));
  Map address{{"index", header->ifa_index},
              {"address", formatPrefix(own ? own->text() : "", header->ifa_prefixlen)},
              {"scope", enumName(header->ifa_scope, scopeNames())}};
  if (const auto peer = IpAddress::read(other.value_or(Span())); peer && local && peer->text() != own->text()) {
    address.set("peer", peer->text());
  }
  std::uint32_t bits = header->ifa_flags;
  if (const auto wide = findAttribute(rest, IFA_FLAGS)) {
    bits = readAs<std::uint32_t>(*wide).value_or(bits);
  }
  for (const std::span<const Flags> some : {std::span<const Flags>(ownFlags), std::span<const Flags>(reportedFlags)}) {
    for (const auto& [name, bit] : some) {
      if ((bits & bit) != 0) {
        address.set(name, true);
      }
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
  addressAttributes.decode(rest, address);
  return address;
}

}  // namespace

OperationKinds addressOperations() {
  static const auto kinds = objectOperations({.name = "address",
                                              .add = encodeAddAddress,
                                              .remove = encodeDeleteAddress,
                                              .list = encodeListAddresses,
                                              .decode = decodeAddress,
                                              .listTakes = {"index"}});
  return kinds;
}

}  // namespace vethwork
