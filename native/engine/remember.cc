#include "engine/remember.h"

#include <set>
#include <string>
#include <utility>

#include "schema/arguments.h"

namespace vethwork {
namespace {

const Value& find(const Value& of, std::string_view key) {
  static const Value null;
  const auto* map = of.as<Map>();
  return map == nullptr ? null : member(*map, key);
}

/// Links and namespaces that the requests so far have made.
class Made {
 public:
  void note(const Request& request) {
    const std::string& name = request.kind->name;
    if (name == "namespace.add") {
      namespaces_.insert(request.netns);
    } else if (name == "tap.add") {
      add(request.netns, member(request.arguments, "tap"));
    } else if (name == "link.add") {
      const Value& link = member(request.arguments, "link");
      add(add(request.netns, link), find(find(link, "data"), "peer"));
    }
  }

  [[nodiscard]] bool has(const NamespaceReference& netns, const Map& link) const {
    const auto* index = member(link, "index").as<std::int64_t>();
    const auto* name = member(link, "name").as<std::string>();
    return (index != nullptr && indexes_.contains({netns, *index})) ||
           (name != nullptr && names_.contains({netns, *name}));
  }

  [[nodiscard]] bool has(const NamespaceReference& netns) const { return namespaces_.contains(netns); }

 private:
  /// Returns where the link is made: where it says, else where its creator is.
  NamespaceReference add(const NamespaceReference& creator, const Value& link) {
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

  std::set<NamespaceReference> namespaces_;
  std::set<std::pair<NamespaceReference, std::int64_t>> indexes_;
  std::set<std::pair<NamespaceReference, std::string>> names_;
};

bool wantsMemory(const Request& request, const Made& made) {
  const std::string& name = request.kind->name;
  if (name == "link.set") {
    return given(request.arguments, "undo") == nullptr &&
           !made.has(request.netns, *member(request.arguments, "link").as<Map>());
  }
  if (name == "link.port") {
    return !made.has(request.netns, request.arguments);
  }
  if (name == "sysctl.set") {
    return !made.has(request.netns);
  }
  return name == "filter.add" || name == "nftables.batch";
}

}  // namespace

void rememberForRollback(std::span<Request> requests) {
  Made made;
  for (Request& request : requests) {
    if (wantsMemory(request, made)) {
      request.arguments.set("remember", true);
    }
    made.note(request);
  }
}

}  // namespace vethwork
