#include "netfilter/message.h"

#include <algorithm>
#include <memory>

namespace vethwork {
namespace {

constexpr std::uint16_t typeOf(std::uint8_t subsystem, std::uint8_t message) {
  return static_cast<std::uint16_t>(subsystem << 8 | message);
}

class UnlessZero final : public Codec {
 public:
  explicit UnlessZero(CodecPointer codec) : codec_(std::move(codec)) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    codec_->encode(value, attribute, to);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const bool zero = std::ranges::all_of(payload, [](std::uint8_t byte) { return byte == 0; });
    return zero ? Value() : codec_->decode(payload);
  }

 private:
  CodecPointer codec_;
};

}  // namespace

void beginNetfilter(Batch& batch, std::uint8_t subsystem, std::uint8_t message, std::uint16_t flags,
                    std::uint8_t family) {
  batch.begin(typeOf(subsystem, message), flags);
  batch.header(nfgenmsg{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0});
}

std::optional<nfgenmsg> netfilterHeader(const Message& message, std::uint8_t subsystem, std::uint8_t expected) {
  return message.header.nlmsg_type == typeOf(subsystem, expected) ? readAs<nfgenmsg>(message.payload) : std::nullopt;
}

CodecPointer be64() { return u64(Order::network); }

CodecPointer unlessZero(CodecPointer codec) { return std::make_shared<UnlessZero>(std::move(codec)); }

}  // namespace vethwork
