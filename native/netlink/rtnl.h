#pragma once

#include <pthread.h>

#include <mutex>
#include <shared_mutex>

namespace vethwork {

/// Keeps the threads of this process out of each other's way at the kernel's lock of network configuration (RTNL). Most
/// of what needs that lock waits for it; writing some sysctls does not, but tries again and again, and takes a
/// processor for as long as others have the lock. So these are written while no thread of ours is in the kernel with a
/// message that may need it. Others' processes can still be in the way.
class Rtnl {
 public:
  /// Held while a message is sent: the kernel is done with it by then.
  static std::shared_lock<Rtnl> message() { return std::shared_lock(instance()); }

  /// Held while such a sysctl is written.
  static std::unique_lock<Rtnl> sysctl() { return std::unique_lock(instance()); }

  void lock() { ::pthread_rwlock_wrlock(&lock_); }
  void unlock() { ::pthread_rwlock_unlock(&lock_); }
  void lock_shared() { ::pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() { ::pthread_rwlock_unlock(&lock_); }

  Rtnl(const Rtnl&) = delete;
  Rtnl& operator=(const Rtnl&) = delete;

 private:
  Rtnl() {
    pthread_rwlockattr_t attributes;
    ::pthread_rwlockattr_init(&attributes);
    // Messages come without a pause under load: they would never let a writer in.
    ::pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    ::pthread_rwlock_init(&lock_, &attributes);
    ::pthread_rwlockattr_destroy(&attributes);
  }
  ~Rtnl() = default;

  /// Never destroyed: threads may outlast what the process does at its end.
  static Rtnl& instance() {
    static Rtnl& lock = *new Rtnl();
    return lock;
  }

  pthread_rwlock_t lock_{};
};

}  // namespace vethwork
