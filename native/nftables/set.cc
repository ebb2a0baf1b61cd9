#include <arpa/inet.h>

#include <array>
#include <memory>

#include "nftables/expression.h"
#include "nftables/message.h"
#include "nftables/objects.h"
#include "nftables/userdata.h"

namespace vethwork {
namespace {

// Newer than the headers: the name of the set backend, and the number of elements.
constexpr std::uint16_t implementation = 19;
constexpr std::uint16_t elementCount = 20;

const Schema setAttributes{
    {
        {"table", NFTA_SET_TABLE, nftName(), Presence::required},
        {"name", NFTA_SET_NAME, nftName(), Presence::required},
        {"handle", NFTA_SET_HANDLE, be64(), Presence::reported},
        {"timeout", NFTA_SET_TIMEOUT, be64()},
        {"elementCount", elementCount, be32(), Presence::reported},
        oneExpression(NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS),
        severalExpressions(NFTA_SET_EXPRESSIONS),
    },
    {NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN, NFTA_SET_DATA_TYPE, NFTA_SET_DATA_LEN, NFTA_SET_POLICY,
     NFTA_SET_DESC, NFTA_SET_ID, NFTA_SET_GC_INTERVAL, NFTA_SET_USERDATA, NFTA_SET_OBJ_TYPE, implementation}};

constexpr std::array<std::string_view, 9> setOthers{"command",  "family",   "exclusive", "keyType", "dataType",
                                                    "interval", "constant", "dynamic",   "size"};

/// NFTNL_UDATA_SET_KEYBYTEORDER and …_DATABYTEORDER, with nft's `enum byteorder`. Without them, nft shows host-order
/// numbers with their bytes swapped.
constexpr std::uint8_t keyOrderEntry = 0;
constexpr std::uint8_t dataOrderEntry = 1;

std::uint32_t byteOrder(const NftType& type) {
  enum : std::uint32_t { mixed, host, big };
  if (type.isConcatenation()) {
    return mixed;
  }
  return type.isHostOrder() ? host : big;
}

void addOrder(UserData& userData, std::uint8_t entry, const NftType& type) {
  const std::uint32_t order = byteOrder(type);
  userData.add(entry, Span(reinterpret_cast<const std::uint8_t*>(&order), sizeof order));
}

void put(Encoder& to, std::uint16_t attribute, std::uint32_t number) { to.batch.put(attribute, htonl(number)); }

/// Encodes the data type of a map and returns it; empty for maps of verdicts or objects.
std::optional<NftType> encodeDataType(const Value& value, std::uint32_t& flags, Encoder& to) {
  const auto scope = to.path.at("dataType");
  const auto* text = value.as<std::string>();
  if (text != nullptr && isNftObjectType(*text)) {
    flags |= NFT_SET_OBJECT;
    put(to, NFTA_SET_OBJ_TYPE, word(value, to.path, nftObjectTypes()));
    return std::nullopt;
  }
  flags |= NFT_SET_MAP;
  if (text != nullptr && *text == "verdict") {
    put(to, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
    return std::nullopt;
  }
  NftType type = NftType::parse(value, to.path);
  put(to, NFTA_SET_DATA_TYPE, type.number());
  put(to, NFTA_SET_DATA_LEN, static_cast<std::uint32_t>(type.size()));
  return type;
}

/// Encodes the size, and the fields of concatenated keys with intervals.
void encodeDescription(const Map& set, const NftType& key, bool partwise, Encoder& to) {
  const Value* size = given(set, "size");
  if (size == nullptr && !partwise) {
    return;
  }
  const auto description = to.batch.nest(NFTA_SET_DESC);
  if (size != nullptr) {
    const auto scope = to.path.at("size");
    be32(1)->encode(*size, NFTA_SET_DESC_SIZE, to);
  }
  if (partwise) {
    const auto parts = to.batch.nest(NFTA_SET_DESC_CONCAT);
    for (const BasicType* part : key.parts()) {
      const auto field = to.batch.nest(NFTA_LIST_ELEM);
      put(to, NFTA_SET_FIELD_LEN, part->size);
    }
  }
}

/// Required by the kernel for anonymous sets; unique within a batch.
std::uint32_t setId(const Encoder& to) { return static_cast<std::uint32_t>(to.batch.size()); }

void encodeAddSet(const Map& command, Encoder& to) {
  const std::uint16_t exclusive = exclusiveFlag(command, to.path);
  beginNft(command, NFT_MSG_NEWSET, NLM_F_CREATE | exclusive, to);
  setAttributes.encode(command, to, setOthers);
  const NftType key = [&] {
    const auto scope = to.path.at("keyType");
    return NftType::parse(member(command, "keyType"), to.path);
  }();
  UserData userData;
  addOrder(userData, keyOrderEntry, key);
  std::uint32_t flags = 0;
  if (const Value* dataType = given(command, "dataType")) {
    if (const auto data = encodeDataType(*dataType, flags, to)) {
      addOrder(userData, dataOrderEntry, *data);
    }
  }
  const bool interval = isTrue(command, "interval", to.path);
  const bool partwise = interval && key.isConcatenation();
  flags |= interval ? NFT_SET_INTERVAL : 0;
  flags |= partwise ? std::uint32_t{NFT_SET_CONCAT} : 0;
  flags |= isTrue(command, "constant", to.path) ? NFT_SET_CONSTANT : 0;
  flags |= isTrue(command, "dynamic", to.path) ? NFT_SET_EVAL : 0;
  flags |= given(command, "timeout") != nullptr ? NFT_SET_TIMEOUT : 0;
  flags |= hasSeveralExpressions(command) ? NFT_SET_EXPR : 0;
  put(to, NFTA_SET_FLAGS, flags);
  put(to, NFTA_SET_KEY_TYPE, key.number());
  put(to, NFTA_SET_KEY_LEN, static_cast<std::uint32_t>(key.size()));
  put(to, NFTA_SET_ID, setId(to));
  encodeDescription(command, key, partwise, to);
  to.batch.put(NFTA_SET_USERDATA, Span(userData.bytes()));
}

void encodeDeleteSet(const Map& command, Encoder& to) {
  static const Schema reference{{"table", NFTA_SET_TABLE, nftName(), Presence::required},
                                {"name", NFTA_SET_NAME, nftName(), Presence::required}};
  beginNft(command, NFT_MSG_DELSET, 0, to);
  reference.encode(command, to, commandOthers);
}

std::optional<std::uint32_t> number(Span set, std::uint16_t attribute) {
  const auto value = readAs<std::uint32_t>(findAttribute(set, attribute).value_or(Span()));
  return value ? std::optional(ntohl(*value)) : std::nullopt;
}

/// Unknown types are returned as numbers.
Value setTypeName(std::uint32_t number) {
  const auto type = NftType::of(number);
  return type ? Value(type->name()) : Value(number);
}

}  // namespace

CommandKinds setCommands() {
  static constexpr std::array<CommandKind, 2> kinds{{{"set.add", encodeAddSet}, {"set.delete", encodeDeleteSet}}};
  return kinds;
}

Value decodeSet(const Message& message) {
  const auto header = netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWSET);
  if (!header) {
    return {};
  }
  const Span rest = message.attributes<nfgenmsg>();
  Map set = nftObject("set", *header);
  setAttributes.decode(rest, set);
  set.set("keyType", setTypeName(number(rest, NFTA_SET_KEY_TYPE).value_or(0)));
  if (const auto data = number(rest, NFTA_SET_DATA_TYPE)) {
    set.set("dataType", *data == NFT_DATA_VERDICT ? Value("verdict") : setTypeName(*data));
  } else if (const auto type = number(rest, NFTA_SET_OBJ_TYPE)) {
    set.set("dataType", enumName(*type, nftObjectTypes()));
  }
  struct Flag {
    std::uint32_t bit;
    std::string_view name;
  };
  static constexpr std::array<Flag, 4> flags{{{NFT_SET_INTERVAL, "interval"},
                                              {NFT_SET_CONSTANT, "constant"},
                                              {NFT_SET_ANONYMOUS, "anonymous"},
                                              {NFT_SET_EVAL, "dynamic"}}};
  const std::uint32_t bits = number(rest, NFTA_SET_FLAGS).value_or(0);
  for (const Flag& flag : flags) {
    if ((bits & flag.bit) != 0) {
      set.set(flag.name, true);
    }
  }
  if ((bits & NFT_SET_TIMEOUT) != 0 && set.find("timeout") == nullptr) {
    set.set("timeout", 0);
  }
  if (const auto size = number(findAttribute(rest, NFTA_SET_DESC).value_or(Span()), NFTA_SET_DESC_SIZE)) {
    set.set("size", *size);
  }
  return set;
}

}  // namespace vethwork
