#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// NFTA_IMMEDIATE_DATA holds either a value (`data`) or a verdict, which is written to register 0.
class ImmediateVerdict final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    nftRegister()->encode(NFT_REG_VERDICT, NFTA_IMMEDIATE_DREG, to);
    nftVerdict()->encode(value, attribute, to);
  }

  [[nodiscard]] Value decode(Span payload) const override { return nftVerdict()->decode(payload); }
};

const Schema immediateAttributes{{
    {"register", NFTA_IMMEDIATE_DREG, unlessZero(nftRegister())},
    {"data", NFTA_IMMEDIATE_DATA, nftData()},
    {"verdict", NFTA_IMMEDIATE_DATA, std::make_shared<ImmediateVerdict>()},
}};

void checkImmediate(const Map& expression, const Path& path) {
  const bool verdict = given(expression, "verdict") != nullptr;
  const bool load = given(expression, "register") != nullptr;
  const bool data = given(expression, "data") != nullptr;
  if (verdict ? load || data : !(load && data)) {
    path.reject(expression, "either a verdict, or a register and data");
  }
}

}  // namespace

const ExpressionKind immediateExpression{
    .name = "immediate", .kernelName = "immediate", .attributes = immediateAttributes, .check = checkImmediate};

}  // namespace vethwork
