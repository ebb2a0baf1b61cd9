// Property: all rtnetlink messages can be decoded, as lists and as events, and decoded objects can be encoded again.
#include <linux/rtnetlink.h>

#include <array>

#include "engine/event.h"
#include "fuzz/rewrite.h"

using namespace vethwork;

namespace {

struct Kind {
  std::uint16_t type;
  std::string_view list;
  std::string_view add;
  /// Name of the argument of `add` that holds the object.
  std::string_view object;
};

constexpr std::array<Kind, 7> kinds{{{RTM_NEWLINK, "link.list", "link.add", "link"},
                                     {RTM_NEWADDR, "address.list", "address.add", "address"},
                                     {RTM_NEWROUTE, "route.list", "route.add", "route"},
                                     {RTM_NEWRULE, "rule.list", "rule.add", "rule"},
                                     {RTM_NEWNEIGH, "neighbour.list", "neighbour.add", "neighbour"},
                                     {RTM_NEWQDISC, "qdisc.list", "qdisc.add", "qdisc"},
                                     {RTM_NEWTFILTER, "filter.list", "filter.add", "filter"}}};

Message message(std::uint16_t type, Span payload) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  return {.header = header, .payload = payload};
}

/// A link without its read-only properties.
Map forCreation(const Map& link) {
  Map kept;
  for (const std::string_view key : {"index", "name", "kind", "data", "mtu", "address", "master", "group"}) {
    if (const Value* value = link.find(key)) {
      kept.set(key, *value);
    }
  }
  return kept;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Span payload(data, size);
  for (const Kind& kind : kinds) {
    const Value object = fuzz::operation(kind.list).decode(message(kind.type, payload));
    if (const auto* map = object.as<Map>()) {
      fuzz::rewrite(kind.add, Map{{std::string(kind.object), kind.type == RTM_NEWLINK ? forCreation(*map) : *map}});
    }
    (void)decodeEvent(message(kind.type, payload));
    // The type of the deletion is the next number.
    (void)decodeEvent(message(static_cast<std::uint16_t>(kind.type + 1), payload));
  }
  return 0;
}
