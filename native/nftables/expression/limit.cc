#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// Units in seconds.
const EnumNames units{{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}, {"week", 604800}};

class Unit final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    be64()->encode(Value(word(string(value, to.path), to.path, units)), attribute, to);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const Value seconds = be64()->decode(payload);
    const auto* number = seconds.as<std::int64_t>();
    return number != nullptr && *number <= 604800 ? enumName(static_cast<std::uint32_t>(*number), units) : seconds;
  }
};

const EnumNames limitTypes{{"packets", NFT_LIMIT_PKTS}, {"bytes", NFT_LIMIT_PKT_BYTES}};

/// `rate` in packets or bytes per `unit`. The rule continues while it is not exceeded; with `invert`, while it is.
const Schema limitAttributes{{
                                 {"rate", NFTA_LIMIT_RATE, be64(), Presence::required},
                                 {"unit", NFTA_LIMIT_UNIT, std::make_shared<Unit>(), Presence::required},
                                 {"burst", NFTA_LIMIT_BURST, be32()},
                                 {"type", NFTA_LIMIT_TYPE, enum32(limitTypes, Order::network)},
                             },
                             {NFTA_LIMIT_FLAGS}};

}  // namespace

const ExpressionKind limitExpression{.name = "limit",
                                     .kernelName = "limit",
                                     .attributes = limitAttributes,
                                     .flags = {NFTA_LIMIT_FLAGS, {{"invert", NFT_LIMIT_F_INV}}}};

}  // namespace vethwork
