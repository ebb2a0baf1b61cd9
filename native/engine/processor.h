#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <optional>

namespace vethwork {

/// Where one of the engine's threads may run.
struct Placement {
  pid_t thread;
  /// The processor that it keeps off; -1 for none.
  int avoided = -1;
};

/// The processor that JavaScript runs on, which the engine's threads keep off while they work for long: a thread that
/// the kernel works for may hold its processor until that is done, and the scheduler tends to start it where it was
/// woken.
class Processor {
 public:
  /// Called by JavaScript's thread.
  Processor();
  /// Called by JavaScript's thread: this is where it runs now.
  void note();
  /// Has a thread keep off that processor; false where there is no other. Best while it sleeps: one that runs there
  /// has to be moved.
  bool leave(Placement& placement) const;
  /// Lets a thread run wherever JavaScript may: programs that it starts inherit it.
  void forget(Placement& placement) const;

 private:
  /// Processors that JavaScript may use. None on machines with more than the set can hold: their schedulers find
  /// another.
  [[nodiscard]] std::optional<cpu_set_t> allowed() const;

  const pid_t thread_;
  std::atomic<int> last_;
};

}  // namespace vethwork
