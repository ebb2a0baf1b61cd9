#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

/// `(register & mask) ^ xor`. Shifts are never written; listed ones have the number of their operation.
const Schema bitwiseAttributes{
    {
        {"sourceRegister", NFTA_BITWISE_SREG, nftRegister(), Presence::required},
        {"register", NFTA_BITWISE_DREG, nftRegister(), Presence::required},
        {"length", NFTA_BITWISE_LEN, be32(1, maximumRegisterBytes), Presence::required},
        {"operation", NFTA_BITWISE_OP, unlessZero(be32()), Presence::reported},
        {"mask", NFTA_BITWISE_MASK, nftData(), Presence::required},
        {"xor", NFTA_BITWISE_XOR, nftData(), Presence::required},
    },
};

void checkBitwise(const Map& expression, const Path& path) {
  const auto length = static_cast<std::size_t>(*expression.find("length")->as<std::int64_t>());
  for (const std::string_view operand : {"mask", "xor"}) {
    const Value& bytes = *expression.find(operand);
    if (bytes.as<Bytes>()->size() != length) {
      path.reject(bytes, "a mask and a xor of `length` bytes each");
    }
  }
}

}  // namespace

const ExpressionKind bitwiseExpression{
    .name = "bitwise", .kernelName = "bitwise", .attributes = bitwiseAttributes, .check = checkBitwise};

}  // namespace vethwork
