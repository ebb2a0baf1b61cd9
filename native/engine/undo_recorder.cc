#include "engine/undo_recorder.h"

#include "schema/arguments.h"

namespace vethwork {
namespace {

/// Every new namespace has the loopback interface.
constexpr std::int64_t loopbackIndex = 1;

const Value& findMember(const Value& of, std::string_view key) {
  static const Value null;
  const auto* map = of.as<Map>();
  return map == nullptr ? null : member(*map, key);
}

}  // namespace

void UndoRecorder::ask(Request& request) const {
  if (isNeeded(request)) {
    request.arguments.set("captureUndo", true);
  }
}

void UndoRecorder::note(const Request& request) {
  const std::string& name = request.kind->name;
  if (name == "namespace.add") {
    namespaces_.insert(request.netns);
    indexes_.emplace(request.netns, loopbackIndex);
  } else if (name == "tap.add") {
    noteLink(request.netns, member(request.arguments, "tap"));
  } else if (name == "link.add") {
    const Value& link = member(request.arguments, "link");
    noteLink(noteLink(request.netns, link), findMember(findMember(link, "data"), "peer"));
  }
}

bool UndoRecorder::isNeeded(const Request& request) const {
  const std::string& name = request.kind->name;
  if (name == "link.set") {
    // A moved link loses its settings, and has to be moved back before its creation is undone.
    if (!findMember(member(request.arguments, "changes"), "netns").isNull()) {
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

bool UndoRecorder::hasMade(const NamespaceReference& netns, const Map& link) const {
  const auto* index = member(link, "index").as<std::int64_t>();
  const auto* name = member(link, "name").as<std::string>();
  return (index != nullptr && indexes_.contains({netns, *index})) ||
         (name != nullptr && names_.contains({netns, *name}));
}

NamespaceReference UndoRecorder::noteLink(const NamespaceReference& creator, const Value& link) {
  const Value& place = findMember(link, "netns");
  NamespaceReference netns = place.isNull() ? creator : NamespaceReference::parse(place, Path());
  if (const auto* index = findMember(link, "index").as<std::int64_t>()) {
    indexes_.emplace(netns, *index);
  }
  if (const auto* name = findMember(link, "name").as<std::string>()) {
    names_.emplace(netns, *name);
  }
  return netns;
}

}  // namespace vethwork
