#include "nftables/data.h"

#include <arpa/inet.h>

#include <memory>

#include "nftables/message.h"

namespace vethwork {
namespace {

const EnumNames simpleVerdicts{{"accept", NF_ACCEPT},
                               {"drop", NF_DROP},
                               {"continue", static_cast<std::uint32_t>(NFT_CONTINUE)},
                               {"return", static_cast<std::uint32_t>(NFT_RETURN)}};

const EnumNames chainVerdicts{{"jump", static_cast<std::uint32_t>(NFT_JUMP)},
                              {"goto", static_cast<std::uint32_t>(NFT_GOTO)}};

class Register final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* number = value.as<std::int64_t>();
    const bool valid = number != nullptr && ((*number >= NFT_REG_VERDICT && *number <= NFT_REG_4) ||
                                             (*number >= NFT_REG32_00 && *number <= NFT_REG32_15));
    if (!valid) {
      to.path.reject(value, "a register: 0 for the verdict, 1 to 4 of 16 bytes, or 8 to 23 of 4 bytes");
    }
    to.batch.put(attribute, htonl(static_cast<std::uint32_t>(*number)));
  }

  [[nodiscard]] Value decode(Span payload) const override { return be32()->decode(payload); }
};

class Data final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* bytes = value.as<Bytes>();
    if (bytes == nullptr || bytes->empty() || bytes->size() > maximumRegisterBytes) {
      to.path.reject(value, "1 to 16 bytes");
    }
    putNftData(attribute, *bytes, to);
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto bytes = findAttribute(payload, NFTA_DATA_VALUE);
    return bytes ? Value(Bytes(bytes->begin(), bytes->end())) : Value();
  }
};

class Verdict final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto outer = to.batch.nest(attribute);
    const auto inner = to.batch.nest(NFTA_DATA_VERDICT);
    if (const auto* map = value.as<Map>()) {
      for (const auto& [name, code] : chainVerdicts) {
        if (const Value* chain = given(*map, name); chain != nullptr && map->entries().size() == 1) {
          const auto scope = to.path.at(name);
          to.batch.put(NFTA_VERDICT_CODE, htonl(code));
          nftName()->encode(*chain, NFTA_VERDICT_CHAIN, to);
          return;
        }
      }
    }
    if (const auto* text = value.as<std::string>()) {
      for (const auto& [name, code] : simpleVerdicts) {
        if (*text == name) {
          to.batch.put(NFTA_VERDICT_CODE, htonl(code));
          return;
        }
      }
    }
    to.path.reject(value, "'accept', 'drop', 'continue', 'return', { jump: chain } or { goto: chain }");
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const Span verdict = findAttribute(payload, NFTA_DATA_VERDICT).value_or(Span());
    const auto code = readAs<std::uint32_t>(findAttribute(verdict, NFTA_VERDICT_CODE).value_or(Span()));
    if (!code) {
      return {};
    }
    if (const auto chain = findAttribute(verdict, NFTA_VERDICT_CHAIN)) {
      const Value kind = enumName(ntohl(*code), chainVerdicts);
      const auto* name = kind.as<std::string>();
      return Map{{name == nullptr ? "chain" : *name, text(NFT_NAME_MAXLEN)->decode(*chain)}};
    }
    return enumName(ntohl(*code), simpleVerdicts);
  }
};

}  // namespace

CodecPointer nftRegister() { return std::make_shared<Register>(); }
CodecPointer nftData() { return std::make_shared<Data>(); }
CodecPointer nftVerdict() { return std::make_shared<Verdict>(); }

void putNftData(std::uint16_t attribute, Span bytes, Encoder& to) {
  const auto nest = to.batch.nest(attribute);
  to.batch.put(NFTA_DATA_VALUE, bytes);
}

}  // namespace vethwork
