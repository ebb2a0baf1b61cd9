#include "netfilter/codec.h"

#include <arpa/inet.h>

#include <algorithm>
#include <memory>

namespace vethwork {
namespace {

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

class FlagNamesCodec final : public Codec {
 public:
  explicit FlagNamesCodec(EnumNames words) : words_(std::move(words)) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* list = value.as<List>();
    if (list == nullptr) {
      to.path.reject(value, "a list of names");
    }
    std::uint32_t bits = 0;
    for (const Value& flag : *list) {
      bits |= word(string(flag, to.path), to.path, words_);
    }
    to.batch.put(attribute, htonl(bits));
  }

  [[nodiscard]] Value decode(Span payload) const override {
    List flags;
    const std::uint32_t bits = ntohl(readAs<std::uint32_t>(payload).value_or(0));
    for (const auto& [name, bit] : words_) {
      if ((bits & bit) != 0) {
        flags.emplace_back(name);
      }
    }
    return flags;
  }

 private:
  EnumNames words_;
};

}  // namespace

CodecPointer be64() { return u64(Order::network); }

CodecPointer unlessZero(CodecPointer codec) { return std::make_shared<UnlessZero>(std::move(codec)); }

CodecPointer flagNames(EnumNames words) { return std::make_shared<FlagNamesCodec>(std::move(words)); }

}  // namespace vethwork
