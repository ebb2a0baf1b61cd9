#include "nftables/expression.h"

#include <arpa/inet.h>

#include <algorithm>
#include <memory>

#include "nftables/expression/kinds.h"
#include "nftables/message.h"

namespace vethwork {
namespace {

void encodeExpressionData(const ExpressionKind& kind, const Map& expression, Encoder& to) {
  std::vector<std::string_view> others{"expression"};
  std::uint32_t flags = kind.flags.implied == nullptr ? 0 : kind.flags.implied(expression);
  for (const auto& [name, bit] : kind.flags.bits) {
    others.push_back(name);
    if (const Value* value = given(expression, name)) {
      const auto scope = to.path.at(name);
      flags |= boolean(*value, to.path) ? bit : 0;
    }
  }
  const auto data = to.batch.nest(NFTA_EXPR_DATA);
  kind.attributes.encode(expression, to, others);
  if (kind.check != nullptr) {
    kind.check(expression, to.path);
  }
  if (flags != 0) {
    to.batch.put(kind.flags.attribute, htonl(flags));
  }
}

/// Encodes an opaque expression, as it was listed.
void encodeOpaque(const Map& expression, Encoder& to) {
  static const Schema attributes{{"name", NFTA_EXPR_NAME, text(31, 1), Presence::required},
                                 {"data", NFTA_EXPR_DATA | NLA_F_NESTED, bytes(), Presence::required}};
  static constexpr std::array<std::string_view, 1> others{"expression"};
  attributes.encode(expression, to, others);
}

/// Writes the attributes of an expression into its nested attribute.
void encodeExpression(const Map& expression, Encoder& to) {
  const Value& name = member(expression, "expression");
  const ExpressionKind* kind = nullptr;
  {
    const auto scope = to.path.at("expression");
    const std::string& text = string(name, to.path);
    kind = findExpressionKind(text);
    if (kind == nullptr && text != "opaque") {
      to.path.reject(name, "a known kind of expression");
    }
  }
  if (kind == nullptr) {
    encodeOpaque(expression, to);
    return;
  }
  to.batch.putText(NFTA_EXPR_NAME, kind->kernelName);
  encodeExpressionData(*kind, expression, to);
}

/// Omits upper ends that equal the lower ones.
Map withoutRepeats(const Map& expression, const std::vector<RegisterRange>& ranges) {
  Map kept;
  for (const Entry& entry : expression.entries()) {
    const auto range = std::ranges::find(ranges, entry.key, &RegisterRange::upper);
    const Value* lower = range == ranges.end() ? nullptr : given(expression, range->lower);
    const auto* first = lower == nullptr ? nullptr : lower->as<std::int64_t>();
    const auto* last = entry.value.as<std::int64_t>();
    const bool repeats = first != nullptr && last != nullptr && *first == *last;
    if (!repeats) {
      kept.set(entry.key, entry.value);
    }
  }
  return kept;
}

Map decodeExpression(Span element) {
  const Value name = text(31)->decode(findAttribute(element, NFTA_EXPR_NAME).value_or(Span()));
  const Span data = findAttribute(element, NFTA_EXPR_DATA).value_or(Span());
  const ExpressionKind* kind = findKernelExpressionKind(*name.as<std::string>());
  if (kind == nullptr) {
    return {{"expression", "opaque"}, {"name", name}, {"data", Bytes(data.begin(), data.end())}};
  }
  Map expression{{"expression", kind->name}};
  kind->attributes.decode(data, expression);
  if (kind->flags.attribute != 0) {
    const auto raw = readAs<std::uint32_t>(findAttribute(data, kind->flags.attribute).value_or(Span()));
    for (const auto& [flag, bit] : kind->flags.bits) {
      if (raw && (ntohl(*raw) & bit) != 0) {
        expression.set(flag, true);
      }
    }
  }
  return kind->ranges.empty() ? expression : withoutRepeats(expression, kind->ranges);
}

class Expressions final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    encodeExpressions(value, attribute, to);
  }

  [[nodiscard]] Value decode(Span payload) const override { return decodeExpressions(payload); }
};

class OneExpression final : public Codec {
 public:
  explicit OneExpression(std::uint16_t several) : several_(several) {}

  void encode(const Value& value, std::uint16_t attribute, Encoder& to) const override {
    const auto* list = value.as<List>();
    if (list == nullptr || list->size() != 1) {
      encodeExpressions(value, several_, to);
      return;
    }
    const auto scope = to.path.at("[0]");
    const auto nest = to.batch.nest(attribute);
    encodeExpression(object(list->front(), to.path), to);
  }

  [[nodiscard]] Value decode(Span payload) const override { return List{decodeExpression(payload)}; }

 private:
  std::uint16_t several_;
};

}  // namespace

void encodeExpressions(const Value& expressions, std::uint16_t attribute, Encoder& to) {
  const auto* list = expressions.as<List>();
  if (list == nullptr) {
    to.path.reject(expressions, "a list of expressions");
  }
  const auto nest = to.batch.nest(attribute);
  for (std::size_t position = 0; position < list->size(); ++position) {
    const std::string label = listLabel(position);
    const auto scope = to.path.at(label);
    const auto element = to.batch.nest(NFTA_LIST_ELEM);
    encodeExpression(object((*list)[position], to.path), to);
  }
}

Field oneExpression(std::uint16_t one, std::uint16_t several) {
  return {"expressions", one, std::make_shared<OneExpression>(several)};
}

Field severalExpressions(std::uint16_t several, Presence presence) {
  return {"expressions", several, std::make_shared<Expressions>(), presence};
}

bool hasSeveralExpressions(const Map& object) {
  const auto* list = member(object, "expressions").as<List>();
  return list != nullptr && list->size() > 1;
}

List decodeExpressions(Span list) {
  List expressions;
  AttributeReader reader(list);
  while (const auto element = reader.next()) {
    expressions.emplace_back(decodeExpression(element->payload));
  }
  return expressions;
}

}  // namespace vethwork
