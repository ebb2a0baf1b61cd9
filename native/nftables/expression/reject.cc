#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames rejectTypes{{"icmp-unreachable", NFT_REJECT_ICMP_UNREACH},
                            {"tcp-reset", NFT_REJECT_TCP_RST},
                            {"icmpx-unreachable", NFT_REJECT_ICMPX_UNREACH}};

/// `code` is an ICMP or ICMPv6 code according to the family, or NFT_REJECT_ICMPX_… for `icmpx`.
const Schema rejectAttributes{{
    {"type", NFTA_REJECT_TYPE, enum32(rejectTypes, Order::network), Presence::required},
    {"code", NFTA_REJECT_ICMP_CODE, u8()},
}};

void checkReject(const Map& expression, const Path& path) {
  const std::uint32_t type = word(*expression.find("type"), path, rejectTypes);
  if ((type == NFT_REJECT_TCP_RST) != (given(expression, "code") == nullptr)) {
    path.reject(expression, "a code for unreachable, none for tcp-reset");
  }
}

}  // namespace

const ExpressionKind rejectExpression{
    .name = "reject", .kernelName = "reject", .attributes = rejectAttributes, .check = checkReject};

}  // namespace vethwork
