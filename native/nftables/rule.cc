#include <array>
#include <memory>

#include "nftables/expression.h"
#include "nftables/message.h"
#include "nftables/objects.h"
#include "nftables/userdata.h"

namespace vethwork {
namespace {

class Expressions final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t, Encoder& to) const override { encodeExpressions(value, to); }
  [[nodiscard]] Value decode(Span payload) const override { return decodeExpressions(payload); }
};

const Schema attributes{{
                            {"table", NFTA_RULE_TABLE, nftName(), Presence::required},
                            {"chain", NFTA_RULE_CHAIN, nftName(), Presence::required},
                            {"handle", NFTA_RULE_HANDLE, be64(), Presence::reported},
                            {"comment", NFTA_RULE_USERDATA, nftComment()},
                            {"expressions", NFTA_RULE_EXPRESSIONS, std::make_shared<Expressions>(), Presence::required},
                        },
                        {NFTA_RULE_COMPAT, NFTA_RULE_POSITION, NFTA_RULE_ID, NFTA_RULE_POSITION_ID}};

/// The handle is required: without it the kernel would delete all rules of the chain.
const Schema reference{{"table", NFTA_RULE_TABLE, nftName(), Presence::required},
                       {"chain", NFTA_RULE_CHAIN, nftName(), Presence::required},
                       {"handle", NFTA_RULE_HANDLE, be64(), Presence::required}};

constexpr std::array<std::string_view, 2> others{"command", "family"};

void encodeAdd(const Map& command, Encoder& to) {
  beginNft(command, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, to);
  attributes.encode(command, to, others);
}

void encodeDelete(const Map& command, Encoder& to) {
  beginNft(command, NFT_MSG_DELRULE, 0, to);
  reference.encode(command, to, others);
}

}  // namespace

CommandKinds ruleCommands() {
  static constexpr std::array<CommandKind, 2> kinds{{{"rule.add", encodeAdd}, {"rule.delete", encodeDelete}}};
  return kinds;
}

Value decodeRule(const Message& message) {
  const auto header = netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE);
  if (!header) {
    return {};
  }
  Map rule = nftObject("rule", *header);
  attributes.decode(message.attributes<nfgenmsg>(), rule);
  return rule;
}

}  // namespace vethwork
