#include "rtnetlink/traffic/actions.h"

#include <linux/pkt_cls.h>

#include <string>

#include "rtnetlink/action/kinds.h"
#include "rtnetlink/traffic/statistics.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

void encodeAction(const Value& value, std::uint16_t position, Encoder& to) {
  const Map& action = object(value, to.path);
  const TrafficKind& kind = named(action, "kind", findActionKind, "a known kind of action", to.path);
  const auto nest = to.batch.nest(position);
  to.batch.putText(TCA_ACT_KIND, kind.name);
  const auto options = to.batch.nest(TCA_ACT_OPTIONS);
  kind.encode(action, to);
}

}  // namespace

void encodeActions(const Map& options, std::uint16_t attribute, Encoder& to) {
  const auto scope = to.path.at("actions");
  const Value& value = member(options, "actions");
  const auto* list = value.as<List>();
  if (list == nullptr || list->empty() || list->size() > TCA_ACT_MAX_PRIO) {
    to.path.reject(value, "a list of 1 to 32 actions");
  }
  const auto nest = to.batch.nest(attribute);
  for (std::size_t index = 0; index < list->size(); ++index) {
    const std::string label = listLabel(index);
    const auto position = to.path.at(label);
    encodeAction((*list)[index], static_cast<std::uint16_t>(index + 1), to);
  }
}

List decodeActions(Span actions) {
  List list;
  AttributeReader reader(actions);
  while (const auto attribute = reader.next()) {
    const Value name = text(64)->decode(findAttribute(attribute->payload, TCA_ACT_KIND).value_or(Span()));
    Map action{{"kind", name}};
    const TrafficKind* kind = findActionKind(*name.as<std::string>());
    if (const auto options = findAttribute(attribute->payload, TCA_ACT_OPTIONS); options && kind != nullptr) {
      kind->decode(*options, action);
    }
    if (const auto statistics = findAttribute(attribute->payload, TCA_ACT_STATS)) {
      decodeTrafficStatistics(*statistics, action);
    }
    list.emplace_back(std::move(action));
  }
  return list;
}

}  // namespace vethwork
