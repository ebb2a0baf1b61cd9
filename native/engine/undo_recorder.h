#pragma once

#include <set>
#include <string>
#include <utility>

#include "engine/transaction.h"

namespace vethwork {

/// Adds to the requests of a transaction what a roll-back needs: the previous state of a changed object, or the handle
/// of a created one. The kernel reports it in the same send. Objects that the same transaction has created need none:
/// deleting them undoes all changes.
class UndoRecorder {
 public:
  /// Called before the request is checked.
  void ask(Request& request) const;
  /// Records the objects that a request creates. Called after the request is checked.
  void note(const Request& request);

 private:
  [[nodiscard]] bool isNeeded(const Request& request) const;
  [[nodiscard]] bool hasMade(const NamespaceReference& netns, const Map& link) const;
  /// Returns the namespace in which the link is created: its own `netns`, or that of the request.
  NamespaceReference noteLink(const NamespaceReference& creator, const Value& link);

  std::set<NamespaceReference> namespaces_;
  std::set<std::pair<NamespaceReference, std::int64_t>> indexes_;
  std::set<std::pair<NamespaceReference, std::string>> names_;
};

}  // namespace vethwork
