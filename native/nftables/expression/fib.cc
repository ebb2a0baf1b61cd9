#include <arpa/inet.h>

#include "nftables/data.h"
#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Words results{
    {"oif", NFT_FIB_RESULT_OIF}, {"oifname", NFT_FIB_RESULT_OIFNAME}, {"type", NFT_FIB_RESULT_ADDRTYPE}};

const Words flagWords{{"saddr", NFTA_FIB_F_SADDR}, {"daddr", NFTA_FIB_F_DADDR}, {"mark", NFTA_FIB_F_MARK},
                      {"iif", NFTA_FIB_F_IIF},     {"oif", NFTA_FIB_F_OIF},     {"present", NFTA_FIB_F_PRESENT}};

/// A list of words, each a bit.
class FlagList final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* list = value.as<List>();
    if (list == nullptr) {
      to.path.reject(value, "a list of flags");
    }
    std::uint32_t bits = 0;
    for (const Value& flag : *list) {
      bits |= word(string(flag, to.path), to.path, flagWords);
    }
    to.batch.put(attribute, htonl(bits));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    List flags;
    const std::uint32_t bits = ntohl(readAs<std::uint32_t>(payload).value_or(0));
    for (const auto& [name, bit] : flagWords) {
      if ((bits & bit) != 0) {
        flags.emplace_back(name);
      }
    }
    return flags;
  }
};

/// What the routing table says of the packet.
const Schema attributes{{
    {"register", NFTA_FIB_DREG, nftRegister(), Presence::required},
    {"result", NFTA_FIB_RESULT, words32(results, Order::network), Presence::required},
    {"flags", NFTA_FIB_FLAGS, std::make_shared<FlagList>(), Presence::required},
}};

}  // namespace

const ExpressionKind fibExpression{.name = "fib", .kernelName = "fib", .attributes = attributes};

}  // namespace vethwork
