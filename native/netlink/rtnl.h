#pragma once

#include <pthread.h>

#include <mutex>
#include <shared_mutex>

namespace vethwork {

/// Coordinates the threads of this process for the RTNL lock of the kernel. Most code paths block on it, but writes of
/// some sysctls retry in a busy loop while the lock is held. These writes therefore wait until no thread of this
/// process sends a message that may need the lock. Other processes can still hold it.
class Rtnl {
 public:
  /// Shared lock for sending a message: the kernel has processed it when send() returns.
  static std::shared_lock<Rtnl> message() { return std::shared_lock(instance()); }

  /// Exclusive lock for writing such a sysctl.
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
#ifdef __GLIBC__
    // Prefers writers: under load, continuous messages would otherwise starve them. musl has no such option.
    ::pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    ::pthread_rwlock_init(&lock_, &attributes);
    ::pthread_rwlockattr_destroy(&attributes);
  }
  ~Rtnl() = default;

  /// Never destroyed, because threads may outlive static destructors.
  static Rtnl& instance() {
    static Rtnl& lock = *new Rtnl();
    return lock;
  }

  pthread_rwlock_t lock_{};
};

}  // namespace vethwork
