#include "netfilter/message.h"

namespace vethwork {
namespace {

constexpr std::uint16_t typeOf(std::uint8_t subsystem, std::uint8_t message) {
  return static_cast<std::uint16_t>(subsystem << 8 | message);
}

}  // namespace

void beginNetfilter(Batch& batch, std::uint8_t subsystem, std::uint8_t message, std::uint16_t flags,
                    std::uint8_t family) {
  batch.begin(typeOf(subsystem, message), flags);
  batch.header(nfgenmsg{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0});
}

std::optional<nfgenmsg> netfilterHeader(const Message& message, std::uint8_t subsystem, std::uint8_t expected) {
  return message.header.nlmsg_type == typeOf(subsystem, expected) ? readAs<nfgenmsg>(message.payload) : std::nullopt;
}

}  // namespace vethwork
