#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Words types{{"icmp-unreachable", NFT_REJECT_ICMP_UNREACH},
                  {"tcp-reset", NFT_REJECT_TCP_RST},
                  {"icmpx-unreachable", NFT_REJECT_ICMPX_UNREACH}};

/// `code` is of ICMP or ICMPv6 as the family has it, or for `icmpx` one of NFT_REJECT_ICMPX_….
const Schema attributes{{
    {"type", NFTA_REJECT_TYPE, words32(types, Order::network), Presence::required},
    {"code", NFTA_REJECT_ICMP_CODE, u8()},
}};

void check(const Map& expression, const Path& path) {
  const std::uint32_t type = word(*expression.find("type"), path, types);
  if ((type == NFT_REJECT_TCP_RST) != (given(expression, "code") == nullptr)) {
    path.reject(expression, "a code for an unreachable, and none for a reset");
  }
}

}  // namespace

const ExpressionKind rejectExpression{
    .name = "reject", .kernelName = "reject", .attributes = attributes, .check = check};

}  // namespace vethwork
