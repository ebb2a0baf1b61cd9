#pragma once

#include "netlink/unique_fd.h"

namespace vethwork {

/// The namespace a worker thread comes from. Only threads of the engine have one: no other thread ever changes
/// namespaces.
class ThreadHome {
 public:
  /// Of the calling thread. @throws std::system_error
  ThreadHome();

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// The thread could not go home again and must end.
  [[nodiscard]] bool stranded() const { return stranded_; }

 private:
  friend class NamespaceEntry;
  void goHome() noexcept;

  UniqueFd fd_;
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
