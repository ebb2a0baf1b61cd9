#pragma once

#include <set>
#include <string>
#include <utility>

#include "engine/transaction.h"

namespace vethwork {

/// Has the requests of a transaction tell, in the same send, what a roll-back has to know: how something was before, or
/// by which handle the kernel names what was made. What the transaction has made itself goes with all that is set of
/// it, so that costs nothing.
class RollbackMemory {
 public:
  /// The request need not be checked yet.
  void ask(Request& request) const;
  /// Takes note of what a request makes, after it is checked.
  void note(const Request& request);

 private:
  [[nodiscard]] bool isNeeded(const Request& request) const;
  [[nodiscard]] bool hasMade(const NamespaceReference& netns, const Map& link) const;
  /// Returns where the link is made: where it says, else where its creator is.
  NamespaceReference noteLink(const NamespaceReference& creator, const Value& link);

  std::set<NamespaceReference> namespaces_;
  std::set<std::pair<NamespaceReference, std::int64_t>> indexes_;
  std::set<std::pair<NamespaceReference, std::string>> names_;
};

}  // namespace vethwork
