#include "nftables/element.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "nftables/data.h"
#include "nftables/expression.h"
#include "nftables/message.h"
#include "nftables/objects.h"

namespace vethwork {
namespace {

/// Limit of the nested attribute with the elements, which must stay below 64 KiB.
constexpr std::size_t maximumList = 48 << 10;

const Schema elementListIdentity{{"table", NFTA_SET_ELEM_LIST_TABLE, nftName(), Presence::required},
                                 {"set", NFTA_SET_ELEM_LIST_SET, nftName(), Presence::required}};

constexpr std::array<std::string_view, 7> listOthers{"command", "family",   "exclusive", "elements",
                                                     "keyType", "dataType", "interval"};

/// Attributes of an element besides key and data.
const Schema elementAttributes{{"timeout", NFTA_SET_ELEM_TIMEOUT, be64()},
                               oneExpression(NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_EXPRESSIONS)};

constexpr std::array<std::string_view, 4> elementOthers{"key", "keyEnd", "data", "verdict"};

enum class Purpose { add, remove };

void encodeElementData(const Map& element, const ElementTypes& types, Purpose purpose, Encoder& to) {
  const Value* data = given(element, "data");
  const Value* verdict = given(element, "verdict");
  if (types.isObjectMap && (data != nullptr || purpose == Purpose::add)) {
    const auto scope = to.path.at("data");
    nftName()->encode(data == nullptr ? Value() : *data, NFTA_SET_ELEM_OBJREF, to);
  } else if (data != nullptr) {
    const auto scope = to.path.at("data");
    if (!types.data) {
      to.path.reject(*data, types.isVerdictMap ? "no data: the map holds verdicts" : "no data: the set is not a map");
    }
    putNftData(NFTA_SET_ELEM_DATA, types.data->encode(*data, to.path), to);
  } else if (types.data && purpose == Purpose::add) {
    const auto scope = to.path.at("data");
    to.path.reject(Value(), "a value of type " + types.data->name());
  }
  const auto scope = to.path.at("verdict");
  if (verdict != nullptr && !types.isVerdictMap) {
    to.path.reject(*verdict, "no verdict: this is no verdict map");
  }
  if (types.isVerdictMap && (verdict != nullptr || purpose == Purpose::add)) {
    nftVerdict()->encode(verdict == nullptr ? Value() : *verdict, NFTA_SET_ELEM_DATA, to);
  }
}

/// Increments a big-endian number; returns false on overflow.
bool increment(Bytes& number) {
  for (auto byte = number.rbegin(); byte != number.rend(); ++byte) {
    if (++*byte != 0) {
      return true;
    }
  }
  return false;
}

/// True if no part of the end is less than that of the start.
bool isInterval(const NftType& type, Span first, Span last) {
  for (const BasicType* part : type.parts()) {
    if (std::ranges::lexicographical_compare(last.first(part->size), first.first(part->size))) {
      return false;
    }
    const std::size_t step = std::min(paddedSize(*part), first.size());
    first = first.subspan(step);
    last = last.subspan(step);
  }
  return true;
}

/// An interval of a plain key is two elements: the first key, and the key after the last one with
/// NFT_SET_ELEM_INTERVAL_END.
void encodeEnd(Bytes last, Encoder& to) {
  if (!increment(last)) {
    return;  // open-ended: the interval includes the largest key
  }
  const auto nest = to.batch.nest(NFTA_LIST_ELEM);
  putNftData(NFTA_SET_ELEM_KEY, last, to);
  to.batch.put(NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
}

/// True for the catch-all element.
bool isCatchall(const Map& element) {
  const auto* key = member(element, "key").as<std::string>();
  return key != nullptr && *key == "*";
}

void encodeCatchall(const Map& element, const ElementTypes& types, Purpose purpose, Encoder& to) {
  if (const Value* end = given(element, "keyEnd")) {
    const auto scope = to.path.at("keyEnd");
    to.path.reject(*end, "no end: the key is the catch-all element");
  }
  const auto nest = to.batch.nest(NFTA_LIST_ELEM);
  to.batch.put(NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_CATCHALL));
  encodeElementData(element, types, purpose, to);
  elementAttributes.encode(element, to, elementOthers);
}

void encodeElement(const Map& element, const ElementTypes& types, Purpose purpose, Encoder& to) {
  if (isCatchall(element)) {
    encodeCatchall(element, types, purpose, to);
    return;
  }
  Bytes key;
  {
    const auto scope = to.path.at("key");
    key = types.key.encode(member(element, "key"), to.path, types.use());
  }
  Bytes last = key;
  const Value* end = given(element, "keyEnd");
  if (end != nullptr) {
    const auto scope = to.path.at("keyEnd");
    if (!types.isInterval) {
      to.path.reject(*end, "no end: the set has no intervals");
    }
    last = types.key.encode(*end, to.path, types.use());
    if (!isInterval(types.key, key, last)) {
      to.path.reject(*end, "an end that is not less than the key");
    }
  }
  {
    const auto nest = to.batch.nest(NFTA_LIST_ELEM);
    putNftData(NFTA_SET_ELEM_KEY, key, to);
    if (end != nullptr && types.key.isConcatenation()) {
      putNftData(NFTA_SET_ELEM_KEY_END, last, to);
    }
    encodeElementData(element, types, purpose, to);
    elementAttributes.encode(element, to, elementOthers);
  }
  if (types.isInterval && !types.key.isConcatenation()) {
    encodeEnd(std::move(last), to);
  }
}

void encodeElements(const Map& command, Purpose purpose, Encoder& to) {
  const bool adding = purpose == Purpose::add;
  const std::uint8_t message = adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM;
  const std::uint16_t flags = adding ? NLM_F_CREATE | exclusiveFlag(command, to.path) : 0;
  const ElementTypes types = ElementTypes::parse(command, to.path);
  const Value& value = member(command, "elements");
  const auto* elements = value.as<List>();
  if (elements == nullptr || elements->empty()) {
    const auto scope = to.path.at("elements");
    to.path.reject(value, "a list of elements that is not empty");
  }
  for (std::size_t position = 0; position < elements->size();) {
    beginNft(command, message, flags, to);
    elementListIdentity.encode(command, to, listOthers);
    const auto scope = to.path.at("elements");
    const auto nest = to.batch.nest(NFTA_SET_ELEM_LIST_ELEMENTS);
    const std::size_t start = to.batch.bytes().size();
    for (; position < elements->size() && to.batch.bytes().size() - start < maximumList; ++position) {
      const std::string label = listLabel(position);
      const auto entry = to.path.at(label);
      encodeElement(object((*elements)[position], to.path), types, purpose, to);
    }
  }
}

void encodeAddElement(const Map& command, Encoder& to) { encodeElements(command, Purpose::add, to); }

void encodeDeleteElement(const Map& command, Encoder& to) { encodeElements(command, Purpose::remove, to); }

}  // namespace

void ElementTypes::setData(const Value& dataType, const Path& path) {
  const auto* name = dataType.as<std::string>();
  isVerdictMap = name != nullptr && *name == "verdict";
  isObjectMap = name != nullptr && isNftObjectType(*name);
  if (!isVerdictMap && !isObjectMap) {
    data = NftType::parse(dataType, path);
  }
}

ElementTypes ElementTypes::parse(const Map& set, Path& path) {
  ElementTypes types;
  {
    const auto scope = path.at("keyType");
    types.key = NftType::parse(member(set, "keyType"), path);
  }
  if (const Value* data = given(set, "dataType")) {
    const auto scope = path.at("dataType");
    types.setData(*data, path);
  }
  if (const Value* interval = given(set, "interval")) {
    const auto scope = path.at("interval");
    types.isInterval = boolean(*interval, path);
  }
  return types;
}

CommandKinds elementCommands() {
  static constexpr std::array<CommandKind, 2> kinds{
      {{"element.add", encodeAddElement}, {"element.delete", encodeDeleteElement}}};
  return kinds;
}

}  // namespace vethwork
