#include <arpa/inet.h>

#include <algorithm>

#include "nftables/data.h"
#include "nftables/element.h"
#include "nftables/expression.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

const Schema elementListAttributes{{
                                       {"timeout", NFTA_SET_ELEM_TIMEOUT, be64()},
                                       {"expires", NFTA_SET_ELEM_EXPIRATION, be64()},
                                       oneExpression(NFTA_SET_ELEM_EXPR, NFTA_SET_ELEM_EXPRESSIONS),
                                       severalExpressions(NFTA_SET_ELEM_EXPRESSIONS),
                                   },
                                   {NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_FLAGS,
                                    NFTA_SET_ELEM_USERDATA, NFTA_SET_ELEM_OBJREF, NFTA_SET_ELEM_PAD}};

Span value(Span element, std::uint16_t attribute) {
  return findAttribute(findAttribute(element, attribute).value_or(Span()), NFTA_DATA_VALUE).value_or(Span());
}

/// Decrements a big-endian number.
void decrement(Bytes& number) {
  for (auto byte = number.rbegin(); byte != number.rend(); ++byte) {
    if ((*byte)-- != 0) {
      return;
    }
  }
}

}  // namespace

ElementTypes ElementTypes::ofListed(const Map& set) {
  ElementTypes types;
  Path path;
  if (const Value& key = member(set, "keyType"); key.as<std::string>() != nullptr) {
    types.key = NftType::parse(key, path);
  }
  if (const Value& data = member(set, "dataType"); data.as<std::string>() != nullptr) {
    types.setData(data, path);
  }
  types.isInterval = given(set, "interval") != nullptr;
  return types;
}

void ElementList::add(const Message& message) {
  if (!netfilterHeader(message, NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWSETELEM)) {
    return;
  }
  AttributeReader list(findAttribute(message.attributes<nfgenmsg>(), NFTA_SET_ELEM_LIST_ELEMENTS).value_or(Span()));
  while (const auto element = list.next()) {
    addElement(element->payload);
  }
}

void ElementList::addElement(Span element) {
  const Span key = value(element, NFTA_SET_ELEM_KEY);
  const Span keyEnd = value(element, NFTA_SET_ELEM_KEY_END);
  const auto flags = readAs<std::uint32_t>(findAttribute(element, NFTA_SET_ELEM_FLAGS).value_or(Span()));
  const std::uint32_t bits = flags ? ntohl(*flags) : 0;
  Raw raw{.key = Bytes(key.begin(), key.end()),
          .keyEnd = Bytes(keyEnd.begin(), keyEnd.end()),
          .isEnd = (bits & NFT_SET_ELEM_INTERVAL_END) != 0,
          .isCatchall = (bits & NFT_SET_ELEM_CATCHALL) != 0,
          .rest = {}};
  if (types_.isVerdictMap) {
    raw.rest.set("verdict", nftVerdict()->decode(findAttribute(element, NFTA_SET_ELEM_DATA).value_or(Span())));
  } else if (const Span data = value(element, NFTA_SET_ELEM_DATA); !data.empty()) {
    raw.rest.set("data", types_.data ? types_.data->decode(data) : Value(Bytes(data.begin(), data.end())));
  }
  if (const auto object = findAttribute(element, NFTA_SET_ELEM_OBJREF)) {
    raw.rest.set("data", nftName()->decode(*object));
  }
  elementListAttributes.decode(element, raw.rest);
  elements_.push_back(std::move(raw));
}

void ElementList::joinIntervals() {
  std::vector<Raw> joined;
  for (Raw& element : elements_) {
    if (!element.isEnd) {
      joined.push_back(std::move(element));
    } else if (!joined.empty() && joined.back().keyEnd.empty() && !joined.back().isCatchall) {
      joined.back().keyEnd = std::move(element.key);
      decrement(joined.back().keyEnd);
    }
  }
  for (Raw& element : joined) {
    if (element.keyEnd.empty() && !element.isCatchall) {
      element.keyEnd = Bytes(element.key.size(), 0xff);  // open-ended
    }
  }
  elements_ = std::move(joined);
}

List ElementList::finish(const Map& common) {
  // At the same key, the end of an interval sorts before the start of the next one.
  std::ranges::sort(elements_, [](const Raw& one, const Raw& other) {
    return one.key == other.key ? one.isEnd && !other.isEnd : one.key < other.key;
  });
  if (types_.isInterval && !types_.key.isConcatenation()) {
    joinIntervals();
  }
  List list;
  for (Raw& element : elements_) {
    Map map = common;
    map.set("key", element.isCatchall ? Value("*") : types_.key.decode(element.key, types_.use()));
    if (!element.keyEnd.empty() && element.keyEnd != element.key) {
      map.set("keyEnd", types_.key.decode(element.keyEnd, types_.use()));
    }
    for (const Entry& entry : element.rest.entries()) {
      map.set(entry.key, entry.value);
    }
    list.emplace_back(std::move(map));
  }
  elements_.clear();
  return list;
}

}  // namespace vethwork
