#pragma once

#include "netlink/unique_fd.h"

namespace vethwork {

/// A descriptor of the calling thread's network namespace. @throws std::system_error
UniqueFd currentNamespace();

/// The namespace a worker thread comes from. Only threads of the engine have one: no other thread ever changes
/// namespaces.
class ThreadHome {
 public:
  /// Does not own the descriptor.
  explicit ThreadHome(int fd) : fd_(fd) {}

  /// The thread could not go home again and must end.
  [[nodiscard]] bool stranded() const { return stranded_; }

 private:
  friend class NamespaceEntry;
  void goHome() noexcept;

  int fd_;
  bool stranded_ = false;
};

/// The calling thread is in another network namespace until the scope ends.
class NamespaceEntry {
 public:
  /// @throws std::system_error
  NamespaceEntry(ThreadHome& home, int fd);
  /// Enters a new namespace that nothing refers to yet.
  static NamespaceEntry fresh(ThreadHome& home);
  ~NamespaceEntry() { home_.goHome(); }
  NamespaceEntry(const NamespaceEntry&) = delete;
  NamespaceEntry& operator=(const NamespaceEntry&) = delete;

 private:
  explicit NamespaceEntry(ThreadHome& home) : home_(home) {}

  ThreadHome& home_;
};

}  // namespace vethwork
