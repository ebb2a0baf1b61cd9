#include "engine/remember.h"

#include "schema/arguments.h"

namespace vethwork {
namespace {

/// Every namespace is born with `lo`.
constexpr std::int64_t loopbackIndex = 1;

const Value& find(const Value& of, std::string_view key) {
  static const Value null;
  const auto* map = of.as<Map>();
  return map == nullptr ? null : member(*map, key);
}

}  // namespace

void RollbackMemory::ask(Request& request) const {
  if (isNeeded(request)) {
    request.arguments.set("remember", true);
  }
}

void RollbackMemory::note(const Request& request) {
  const std::string& name = request.kind->name;
  if (name == "namespace.add") {
    namespaces_.insert(request.netns);
    indexes_.emplace(request.netns, loopbackIndex);
  } else if (name == "tap.add") {
    noteLink(request.netns, member(request.arguments, "tap"));
  } else if (name == "link.add") {
    const Value& link = member(request.arguments, "link");
    noteLink(noteLink(request.netns, link), find(find(link, "data"), "peer"));
  }
}

bool RollbackMemory::isNeeded(const Request& request) const {
  const std::string& name = request.kind->name;
  if (name == "link.set") {
    // A link that is moved loses what it had in its namespace, and has to be back before its maker is undone.
    if (!find(member(request.arguments, "changes"), "netns").isNull()) {
      return true;
    }
    const auto* link = member(request.arguments, "link").as<Map>();
    return given(request.arguments, "undo") == nullptr && link != nullptr && !hasMade(request.netns, *link);
  }
  if (name == "link.port" || name == "link.ipv6") {
    return !hasMade(request.netns, request.arguments);
  }
  if (name == "sysctl.set" || name == "nftables.batch") {
    return !namespaces_.contains(request.netns);
  }
  return name == "filter.add";
}

bool RollbackMemory::hasMade(const NamespaceReference& netns, const Map& link) const {
  const auto* index = member(link, "index").as<std::int64_t>();
  const auto* name = member(link, "name").as<std::string>();
  return (index != nullptr && indexes_.contains({netns, *index})) ||
         (name != nullptr && names_.contains({netns, *name}));
}

NamespaceReference RollbackMemory::noteLink(const NamespaceReference& creator, const Value& link) {
  const Value& place = find(link, "netns");
  NamespaceReference netns = place.isNull() ? creator : NamespaceReference::parse(place, Path());
  if (const auto* index = find(link, "index").as<std::int64_t>()) {
    indexes_.emplace(netns, *index);
  }
  if (const auto* name = find(link, "name").as<std::string>()) {
    names_.emplace(netns, *name);
  }
  return netns;
}

}  // namespace vethwork
