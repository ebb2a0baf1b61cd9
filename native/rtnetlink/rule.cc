#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <limits>
#include <memory>

#include "rtnetlink/object_operations.h"
#include "rtnetlink/objects.h"
#include "schema/address.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

const EnumNames ruleActions{{"lookup", FR_ACT_TO_TBL},
                            {"goto", FR_ACT_GOTO},
                            {"nop", FR_ACT_NOP},
                            {"blackhole", FR_ACT_BLACKHOLE},
                            {"unreachable", FR_ACT_UNREACHABLE},
                            {"prohibit", FR_ACT_PROHIBIT}};

const EnumNames routingRuleFamilies{{"inet", AF_INET}, {"inet6", AF_INET6}};

/// A host-order range as `{ low, high }`. `Range` is the structure of the kernel.
template <typename Range, typename Number>
class RangeCodec final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    static constexpr std::array<std::string_view, 2> known{"low", "high"};
    const Map& range = object(value, to.path);
    checkKeys(range, known, to.path);
    const Number low = end(range, "low", to.path);
    const Number high = end(range, "high", to.path);
    if (low > high) {
      to.path.reject(value, "a range with low <= high");
    }
    to.batch.put(attribute, Range{low, high});
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto range = readAs<Range>(payload);
    return range ? Map{{"low", std::uint32_t{range->start}}, {"high", std::uint32_t{range->end}}} : Value();
  }

 private:
  /// The kernel treats the largest number as absent.
  static Number end(const Map& range, std::string_view key, Path& path) {
    const auto scope = path.at(key);
    return static_cast<Number>(integer(member(range, key), path, 0, std::numeric_limits<Number>::max() - 1));
  }
};

CodecPointer ports() { return std::make_shared<RangeCodec<fib_rule_port_range, std::uint16_t>>(); }
CodecPointer userIds() { return std::make_shared<RangeCodec<fib_rule_uid_range, std::uint32_t>>(); }

/// The kernel reports -1 for none.
class PrefixLength final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    to.batch.put(attribute, static_cast<std::uint32_t>(integer(value, to.path, 0, 128)));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto length = readAs<std::uint32_t>(payload);
    return length && *length <= 128 ? Value(*length) : Value();
  }
};

/// Like above.
class Group final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    to.batch.put(attribute, static_cast<std::uint32_t>(integer(value, to.path, 0, maximumIndex)));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto group = readAs<std::int32_t>(payload);
    return group && *group >= 0 ? Value(*group) : Value();
  }
};

const Schema routingRuleAttributes{
    {
        {"priority", FRA_PRIORITY, u32(), Presence::required},
        {"table", FRA_TABLE, u32()},
        {"mark", FRA_FWMARK, u32()},
        {"mask", FRA_FWMASK, u32()},
        {"inputInterface", FRA_IIFNAME, interfaceName()},
        {"outputInterface", FRA_OIFNAME, interfaceName()},
        {"goto", FRA_GOTO, u32()},
        {"ipProtocol", FRA_IP_PROTO, u8(1)},
        {"sourcePorts", FRA_SPORT_RANGE, ports()},
        {"destinationPorts", FRA_DPORT_RANGE, ports()},
        {"userIds", FRA_UID_RANGE, userIds()},
        {"suppressPrefixLength", FRA_SUPPRESS_PREFIXLEN, std::make_shared<PrefixLength>()},
        {"l3mdev", FRA_L3MDEV, boolean8()},
        {"protocol", FRA_PROTOCOL, u8()},
        {"suppressGroup", FRA_SUPPRESS_IFGROUP, std::make_shared<Group>()},
        {"tunnelId", FRA_TUN_ID, u64(Order::network)},
        {"realms", FRA_FLOW, u32()},
    },
    {FRA_SRC, FRA_DST, FRA_UNUSED2, FRA_UNUSED3, FRA_PAD}};

std::uint8_t encodeSide(const Map& rule, std::string_view key, std::uint16_t attribute, fib_rule_hdr& header,
                        std::vector<std::pair<std::uint16_t, IpAddress>>& sides, Path& path) {
  const Value* value = given(rule, key);
  if (value == nullptr) {
    return 0;
  }
  const auto scope = path.at(key);
  const IpPrefix side = prefix(*value, path);
  if (header.family != AF_UNSPEC && header.family != side.address.family()) {
    path.reject(*value, "an address of the rule's family");
  }
  header.family = side.address.family();
  sides.emplace_back(attribute, side.address);
  return side.length;
}

void encodeRoutingRule(const Map& arguments, Encoder& to) {
  static constexpr std::array<std::string_view, 6> others{"family", "action", "source", "destination", "invert", "tos"};
  const Map& rule = part(arguments, "rule", to.path);
  const auto scope = to.path.at("rule");
  fib_rule_hdr header{};
  if (const Value* family = given(rule, "family")) {
    const auto field = to.path.at("family");
    header.family = static_cast<std::uint8_t>(word(*family, to.path, routingRuleFamilies));
  }
  std::vector<std::pair<std::uint16_t, IpAddress>> sides;
  header.src_len = encodeSide(rule, "source", FRA_SRC, header, sides, to.path);
  header.dst_len = encodeSide(rule, "destination", FRA_DST, header, sides, to.path);
  if (header.family == AF_UNSPEC) {
    header.family = AF_INET;
  }
  header.action = FR_ACT_TO_TBL;
  if (const Value* action = given(rule, "action")) {
    const auto field = to.path.at("action");
    header.action = static_cast<std::uint8_t>(word(*action, to.path, ruleActions));
  }
  header.flags = isTrue(rule, "invert", to.path) ? FIB_RULE_INVERT : 0;
  if (const Value* tos = given(rule, "tos")) {
    const auto field = to.path.at("tos");
    header.tos = static_cast<std::uint8_t>(integer(*tos, to.path, 0, 0xff));
  }
  to.batch.header(header);
  for (const auto& [attribute, address] : sides) {
    to.batch.put(attribute, address.bytes());
  }
  routingRuleAttributes.encode(rule, to, others);
}

void encodeAddRoutingRule(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  encodeRoutingRule(arguments, to);
}

void encodeDeleteRoutingRule(const Map& arguments, Encoder& to) {
  to.batch.begin(RTM_DELRULE, 0);
  encodeRoutingRule(arguments, to);
}

void encodeListRoutingRules(const Map&, Encoder& to) {
  to.batch.begin(RTM_GETRULE, NLM_F_DUMP);
  to.batch.header(fib_rule_hdr{});
}

Value decodeRoutingRule(const Message& message) {
  const auto header = readAs<fib_rule_hdr>(message.payload);
  if (message.header.nlmsg_type != RTM_NEWRULE || !header) {
    return {};
  }
  const Span rest = message.attributes<fib_rule_hdr>();
  // The kernel omits the priority 0.
  Map rule{{"family", enumName(header->family, routingRuleFamilies)},
           {"priority", 0},
           {"action", enumName(header->action, ruleActions)}};
  if ((header->flags & FIB_RULE_INVERT) != 0) {
    rule.set("invert", true);
  }
  if (header->tos != 0) {
    rule.set("tos", std::uint32_t{header->tos});
  }
  routingRuleAttributes.decode(rest, rule);
  if (const auto source = IpAddress::read(findAttribute(rest, FRA_SRC).value_or(Span()))) {
    rule.set("source", formatPrefix(source->text(), header->src_len));
  }
  if (const auto destination = IpAddress::read(findAttribute(rest, FRA_DST).value_or(Span()))) {
    rule.set("destination", formatPrefix(destination->text(), header->dst_len));
  }
  return rule;
}

}  // namespace

OperationKinds ruleOperations() {
  static const auto kinds = objectOperations({.name = "rule",
                                              .add = encodeAddRoutingRule,
                                              .remove = encodeDeleteRoutingRule,
                                              .list = encodeListRoutingRules,
                                              .decode = decodeRoutingRule,
                                              .addTakes = {}});
  return kinds;
}

}  // namespace vethwork
