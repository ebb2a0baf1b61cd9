#include <linux/pkt_cls.h>

#include <array>

#include "rtnetlink/filter/kinds.h"
#include "rtnetlink/traffic/actions.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

void encodeMatchall(const Map& options, Encoder& to) {
  static const Schema known{};
  static constexpr std::array<std::string_view, 1> names{"actions"};
  known.encode(options, to, names);
  encodeActions(options, TCA_MATCHALL_ACT, to);
}

void decodeMatchall(Span options, Map& into) {
  if (const auto actions = findAttribute(options, TCA_MATCHALL_ACT)) {
    into.set("actions", decodeActions(*actions));
  }
}

}  // namespace

const TrafficKind matchallFilter{"matchall", encodeMatchall, decodeMatchall};

}  // namespace vethwork
