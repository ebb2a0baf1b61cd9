#include <arpa/inet.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_bridge.h>

#include <array>
#include <limits>
#include <memory>

#include "nftables/message.h"
#include "nftables/objects.h"

namespace vethwork {
namespace {

const Schema chainAttributes{{
                                 {"table", NFTA_CHAIN_TABLE, nftName(), Presence::required},
                                 {"name", NFTA_CHAIN_NAME, nftName(), Presence::required},
                                 {"handle", NFTA_CHAIN_HANDLE, be64(), Presence::reported},
                             },
                             {NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE, NFTA_CHAIN_USE, NFTA_CHAIN_FLAGS,
                              NFTA_CHAIN_COUNTERS, NFTA_CHAIN_ID, NFTA_CHAIN_USERDATA}};

const EnumNames chainTypes{{"filter", 0}, {"nat", 1}, {"route", 2}};
const EnumNames policies{{"accept", NF_ACCEPT}, {"drop", NF_DROP}};

/// Hook numbers of a family.
const EnumNames& hookNumbers(std::uint8_t family) {
  static const EnumNames inet{{"prerouting", NF_INET_PRE_ROUTING},   {"input", NF_INET_LOCAL_IN},
                              {"forward", NF_INET_FORWARD},          {"output", NF_INET_LOCAL_OUT},
                              {"postrouting", NF_INET_POST_ROUTING}, {"ingress", NF_INET_INGRESS}};
  static const EnumNames bridge{{"prerouting", NF_BR_PRE_ROUTING},
                                {"input", NF_BR_LOCAL_IN},
                                {"forward", NF_BR_FORWARD},
                                {"output", NF_BR_LOCAL_OUT},
                                {"postrouting", NF_BR_POST_ROUTING}};
  static const EnumNames arp{{"input", NF_ARP_IN}, {"output", NF_ARP_OUT}, {"forward", NF_ARP_FORWARD}};
  static const EnumNames netdev{{"ingress", NF_NETDEV_INGRESS}, {"egress", NF_NETDEV_EGRESS}};
  switch (family) {
    case NFPROTO_BRIDGE:
      return bridge;
    case NFPROTO_ARP:
      return arp;
    case NFPROTO_NETDEV:
      return netdev;
    default:
      return inet;
  }
}

/// A big-endian signed integer.
class PriorityCodec final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
    to.batch.put(attribute, htonl(static_cast<std::uint32_t>(integer(value, to.path, -limit, limit))));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto value = readAs<std::uint32_t>(payload);
    return value ? Value(static_cast<std::int32_t>(ntohl(*value))) : Value();
  }
};

const Schema placement{{
                           {"priority", NFTA_HOOK_PRIORITY, std::make_shared<PriorityCodec>(), Presence::required},
                           {"device", NFTA_HOOK_DEV, interfaceName()},
                       },
                       {NFTA_HOOK_HOOKNUM, NFTA_HOOK_DEVS}};

/// A property that must be one of the names. Numbers are not accepted.
std::uint32_t choice(const Map& map, std::string_view key, const EnumNames& words, Path& path) {
  const auto scope = path.at(key);
  const Value& value = member(map, key);
  (void)string(value, path);
  return word(value, path, words);
}

void encodeHook(const Map& hook, std::uint8_t family, Encoder& to) {
  static constexpr std::array<std::string_view, 3> others{"type", "hook", "policy"};
  const std::uint32_t type = choice(hook, "type", chainTypes, to.path);
  {
    const auto nest = to.batch.nest(NFTA_CHAIN_HOOK);
    to.batch.put(NFTA_HOOK_HOOKNUM, htonl(choice(hook, "hook", hookNumbers(family), to.path)));
    placement.encode(hook, to, others);
  }
  to.batch.putText(NFTA_CHAIN_TYPE, chainTypes[type].first);
  if (given(hook, "policy") != nullptr) {
    to.batch.put(NFTA_CHAIN_POLICY, htonl(choice(hook, "policy", policies, to.path)));
  }
}

void encodeAddChain(const Map& command, Encoder& to) {
  static constexpr std::array<std::string_view, 4> others{"command", "family", "exclusive", "hook"};
  const std::uint16_t exclusive = exclusiveFlag(command, to.path);
  beginNft(command, NFT_MSG_NEWCHAIN, NLM_F_CREATE | exclusive, to);
  chainAttributes.encode(command, to, others);
  if (given(command, "hook") != nullptr) {
    const Map& hook = part(command, "hook", to.path);
    const auto scope = to.path.at("hook");
    encodeHook(hook, nftFamily(command, to.path), to);
  }
}

void encodeDeleteChain(const Map& command, Encoder& to) {
  beginNft(command, NFT_MSG_DELCHAIN, 0, to);
  chainAttributes.encode(command, to, commandOthers);
}

void encodeFlushChain(const Map& command, Encoder& to) {
  static const Schema chain{{"table", NFTA_RULE_TABLE, nftName(), Presence::required},
                            {"name", NFTA_RULE_CHAIN, nftName(), Presence::required}};
  beginNft(command, NFT_MSG_DELRULE, 0, to);
  chain.encode(command, to, commandOthers);
}

Map decodeHook(Span chain, std::uint8_t family) {
  const Span place = findAttribute(chain, NFTA_CHAIN_HOOK).value_or(Span());
  Map hook{{"type", text(16)->decode(findAttribute(chain, NFTA_CHAIN_TYPE).value_or(Span()))}};
  if (const auto number = readAs<std::uint32_t>(findAttribute(place, NFTA_HOOK_HOOKNUM).value_or(Span()))) {
    hook.set("hook", enumName(ntohl(*number), hookNumbers(family)));
  }
  placement.decode(place, hook);
  if (const auto policy = readAs<std::uint32_t>(findAttribute(chain, NFTA_CHAIN_POLICY).value_or(Span()))) {
    hook.set("policy", enumName(ntohl(*policy), policies));
  }
  return hook;
}

}  // namespace

CommandKinds chainCommands() {
  static constexpr std::array<CommandKind, 3> kinds{
      {{"chain.add", encodeAddChain}, {"chain.delete", encodeDeleteChain}, {"chain.flush", encodeFlushChain}}};
  return kinds;
}

Value decodeChain(const Message& message) {
  const auto header = netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWCHAIN);
  if (!header) {
    return {};
  }
  const Span rest = message.attributes<nfgenmsg>();
  Map chain = nftObject("chain", *header);
  chainAttributes.decode(rest, chain);
  if (findAttribute(rest, NFTA_CHAIN_HOOK)) {
    chain.set("hook", decodeHook(rest, header->nfgen_family));
  }
  return chain;
}

}  // namespace vethwork
