#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <optional>

namespace vethwork {

/// CPU affinity of one worker thread.
struct Affinity {
  pid_t thread;
  /// The excluded processor; -1 for none.
  int avoided = -1;
};

/// The processor that JavaScript runs on. Worker threads exclude it from their affinity: the kernel may hold the
/// processor of a thread for the whole of a system call, and the scheduler tends to place a thread where it was woken.
class JavaScriptCpu {
 public:
  /// To be constructed on the JavaScript thread.
  JavaScriptCpu();
  /// Records the current processor. To be called on the JavaScript thread.
  void record();
  /// Excludes that processor from a thread's affinity; returns false if there is no other. It is cheapest while the
  /// thread sleeps: a running thread would have to be migrated.
  bool avoid(Affinity& affinity) const;
  /// Restores the affinity of the JavaScript thread, which programs that the thread starts inherit.
  void unrestrict(Affinity& affinity) const;

 private:
  /// Affinity of the JavaScript thread. Empty on machines with more processors than cpu_set_t holds: their schedulers
  /// find another one.
  [[nodiscard]] std::optional<cpu_set_t> allowed() const;

  const pid_t thread_;
  std::atomic<int> last_;
};

}  // namespace vethwork
