#include <array>

#include "nftables/expression.h"
#include "nftables/message.h"
#include "nftables/objects.h"
#include "nftables/userdata.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

const Schema ruleAttributes{
    {"table", NFTA_RULE_TABLE, nftName(), Presence::required},
    {"chain", NFTA_RULE_CHAIN, nftName(), Presence::required},
    {"comment", NFTA_RULE_USERDATA, nftComment()},
    severalExpressions(NFTA_RULE_EXPRESSIONS, Presence::required),
};

const Schema listed{{
                        {"table", NFTA_RULE_TABLE, nftName()},
                        {"chain", NFTA_RULE_CHAIN, nftName()},
                        {"handle", NFTA_RULE_HANDLE, be64()},
                        {"comment", NFTA_RULE_USERDATA, nftComment()},
                        severalExpressions(NFTA_RULE_EXPRESSIONS),
                    },
                    {NFTA_RULE_COMPAT, NFTA_RULE_POSITION, NFTA_RULE_ID, NFTA_RULE_POSITION_ID}};

/// The handle is required: without it, the kernel deletes all rules of the chain.
const Schema ruleReference{{"table", NFTA_RULE_TABLE, nftName(), Presence::required},
                           {"chain", NFTA_RULE_CHAIN, nftName(), Presence::required},
                           {"handle", NFTA_RULE_HANDLE, be64(), Presence::required}};

constexpr std::array<std::string_view, 2> ruleOthers{"command", "family"};

/// Encodes a rule, and the handle of another one that determines its position.
void encodeNftRule(const Map& command, std::uint16_t flags, std::string_view place, std::uint16_t attribute,
                   Encoder& to) {
  const std::array<std::string_view, 3> names{"command", "family", place};
  beginNft(command, NFT_MSG_NEWRULE, flags, to);
  ruleAttributes.encode(command, to, names);
  if (const Value* handle = given(command, place)) {
    const auto scope = to.path.at(place);
    be64()->encode(*handle, attribute, to);
  }
}

void encodeAddRule(const Map& command, Encoder& to) {
  encodeNftRule(command, NLM_F_CREATE | NLM_F_APPEND, "after", NFTA_RULE_POSITION, to);
}

void encodeInsert(const Map& command, Encoder& to) {
  encodeNftRule(command, NLM_F_CREATE, "before", NFTA_RULE_POSITION, to);
}

void encodeReplace(const Map& command, Encoder& to) {
  if (given(command, "handle") == nullptr) {
    const auto scope = to.path.at("handle");
    to.path.reject(Value(), "a value: it is required");
  }
  encodeNftRule(command, NLM_F_REPLACE, "handle", NFTA_RULE_HANDLE, to);
}

void encodeDeleteRule(const Map& command, Encoder& to) {
  beginNft(command, NFT_MSG_DELRULE, 0, to);
  ruleReference.encode(command, to, ruleOthers);
}

}  // namespace

CommandKinds ruleCommands() {
  static constexpr std::array<CommandKind, 4> kinds{{{"rule.add", encodeAddRule, true},
                                                     {"rule.insert", encodeInsert, true},
                                                     {"rule.replace", encodeReplace},
                                                     {"rule.delete", encodeDeleteRule}}};
  return kinds;
}

Value decodeRule(const Message& message) {
  const auto header = netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE);
  if (!header) {
    return {};
  }
  Map rule = nftObject("rule", *header);
  listed.decode(message.attributes<nfgenmsg>(), rule);
  return rule;
}

}  // namespace vethwork
