#pragma once

#include "netlink/unique_fd.h"

namespace vethwork {

/// Opens the network namespace of the calling thread. @throws std::system_error
UniqueFd currentNamespace();

/// The network namespace to which a worker thread returns. Only threads of the engine change namespaces.
class OriginalNamespace {
 public:
  /// Does not own the descriptor.
  explicit OriginalNamespace(int fd) : fd_(fd) {}

  /// True if the thread could not return to its original namespace. It must then end.
  [[nodiscard]] bool restoreFailed() const { return restoreFailed_; }

 private:
  friend class NamespaceEntry;
  void restore() noexcept;

  int fd_;
  bool restoreFailed_ = false;
};

/// Moves the calling thread into another network namespace for the duration of the scope.
class NamespaceEntry {
 public:
  /// @throws std::system_error
  NamespaceEntry(OriginalNamespace& original, int fd);
  /// Creates and enters a new namespace.
  static NamespaceEntry fresh(OriginalNamespace& original);
  ~NamespaceEntry() { original_.restore(); }
  NamespaceEntry(const NamespaceEntry&) = delete;
  NamespaceEntry& operator=(const NamespaceEntry&) = delete;

 private:
  explicit NamespaceEntry(OriginalNamespace& original) : original_(original) {}

  OriginalNamespace& original_;
};

}  // namespace vethwork
