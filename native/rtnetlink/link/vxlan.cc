#include <linux/if_link.h>
#include <netinet/in.h>

#include <array>

#include "rtnetlink/link/kinds.h"
#include "schema/address.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

/// An underlay address. IPv4 and IPv6 have separate attributes.
class UnderlayAddress final : public Codec {
 public:
  explicit UnderlayAddress(std::uint16_t attribute6) : attribute6_(attribute6) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const IpAddress address = ip(value, to.path);
    to.batch.put(address.family() == AF_INET ? attribute : attribute6_, address.bytes());
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto address = IpAddress::read(payload);
    return address ? Value(address->text()) : Value();
  }

 private:
  std::uint16_t attribute6_;
};

class PortRange final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    static constexpr std::array<std::string_view, 2> known{"low", "high"};
    const Map& range = object(value, to.path);
    checkKeys(range, known, to.path);
    ifla_vxlan_port_range ports{.low = port(range, "low", to.path), .high = port(range, "high", to.path)};
    if (ntohs(ports.low) > ntohs(ports.high)) {
      to.path.reject(value, "a range with low <= high");
    }
    to.batch.put(attribute, ports);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto ports = readAs<ifla_vxlan_port_range>(payload);
    if (!ports || (ports->low == 0 && ports->high == 0)) {
      return {};
    }
    return Map{{"low", ntohs(ports->low)}, {"high", ntohs(ports->high)}};
  }

 private:
  static std::uint16_t port(const Map& range, std::string_view end, Path& path) {
    const auto scope = path.at(end);
    const Value* value = range.find(end);
    return htons(static_cast<std::uint16_t>(integer(value == nullptr ? Value() : *value, path, 0, 0xffff)));
  }
};

CodecPointer underlayAddress(std::uint16_t attribute6) { return std::make_shared<UnderlayAddress>(attribute6); }

const EnumNames dfNames{{"unset", VXLAN_DF_UNSET}, {"set", VXLAN_DF_SET}, {"inherit", VXLAN_DF_INHERIT}};

// Newer than the headers.
constexpr std::uint16_t localBypass = 31;
constexpr std::uint16_t labelPolicy = 32;

const EnumNames labelPolicies{{"fixed", 0}, {"inherit", 1}};

const Schema vxlanOptions{{
                              {"id", IFLA_VXLAN_ID, u32(1, 0xffffff)},
                              {"collectMetadata", IFLA_VXLAN_COLLECT_METADATA, boolean8()},
                              {"vniFilter", IFLA_VXLAN_VNIFILTER, boolean8()},
                              {"local", IFLA_VXLAN_LOCAL, underlayAddress(IFLA_VXLAN_LOCAL6)},
                              {"local", IFLA_VXLAN_LOCAL6, underlayAddress(IFLA_VXLAN_LOCAL6), Presence::alias},
                              {"remote", IFLA_VXLAN_GROUP, underlayAddress(IFLA_VXLAN_GROUP6)},
                              {"remote", IFLA_VXLAN_GROUP6, underlayAddress(IFLA_VXLAN_GROUP6), Presence::alias},
                              {"link", IFLA_VXLAN_LINK, u32(1, 0x7fffffff)},
                              {"port", IFLA_VXLAN_PORT, be16(1)},
                              {"portRange", IFLA_VXLAN_PORT_RANGE, std::make_shared<PortRange>()},
                              {"learning", IFLA_VXLAN_LEARNING, boolean8()},
                              {"ttl", IFLA_VXLAN_TTL, u8()},
                              {"ttlInherit", IFLA_VXLAN_TTL_INHERIT, flag()},
                              {"tos", IFLA_VXLAN_TOS, u8()},
                              {"label", IFLA_VXLAN_LABEL, be32(0, 0xfffff)},
                              {"labelPolicy", labelPolicy, enum32(labelPolicies)},
                              {"ageing", IFLA_VXLAN_AGEING, u32()},
                              {"limit", IFLA_VXLAN_LIMIT, u32()},
                              {"df", IFLA_VXLAN_DF, enum8(dfNames)},
                              {"udpChecksum", IFLA_VXLAN_UDP_CSUM, boolean8()},
                              {"udp6ZeroChecksumTx", IFLA_VXLAN_UDP_ZERO_CSUM6_TX, boolean8()},
                              {"udp6ZeroChecksumRx", IFLA_VXLAN_UDP_ZERO_CSUM6_RX, boolean8()},
                              {"remoteChecksumTx", IFLA_VXLAN_REMCSUM_TX, boolean8()},
                              {"remoteChecksumRx", IFLA_VXLAN_REMCSUM_RX, boolean8()},
                              {"proxy", IFLA_VXLAN_PROXY, boolean8()},
                              {"routeShortCircuit", IFLA_VXLAN_RSC, boolean8()},
                              {"l2Miss", IFLA_VXLAN_L2MISS, boolean8()},
                              {"l3Miss", IFLA_VXLAN_L3MISS, boolean8()},
                              {"localBypass", localBypass, boolean8()},
                              {"groupPolicy", IFLA_VXLAN_GBP, flag()},
                              {"genericProtocol", IFLA_VXLAN_GPE, flag()},
                          },
                          {IFLA_VXLAN_REMCSUM_NOPARTIAL, 33 /* RESERVED_BITS */}};

void checkVxlan(const Map& values, Path& path) {
  const bool* external = member(values, "collectMetadata").as<bool>();
  if (given(values, "id") == nullptr && (external == nullptr || !*external)) {
    const auto scope = path.at("id");
    path.reject(Value(), "a value: it is required, unless collectMetadata is on");
  }
}

}  // namespace

const LinkKind vxlanKind{"vxlan", vxlanOptions, false, checkVxlan};

}  // namespace vethwork
