#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <optional>

namespace vethwork {

/// The processor that JavaScript runs on, which the engine's threads keep off while they work for long: a thread that
/// the kernel works for may hold its processor until that is done, and the scheduler tends to start it where it was
/// woken.
class Processor {
 public:
  /// Called by JavaScript's thread.
  Processor();
  /// Called by JavaScript's thread: this is where it runs now.
  void note();
  /// Moves the calling thread to another processor if it shares that one. Without effect where there is only one.
  void leave() const;
  /// Lets the calling thread run wherever JavaScript may: programs that it starts inherit it.
  void forget() const;

 private:
  /// Processors that JavaScript may use. None on machines with more than the set can hold: their schedulers find
  /// another.
  [[nodiscard]] std::optional<cpu_set_t> allowed() const;

  const pid_t thread_;
  std::atomic<int> last_;
};

}  // namespace vethwork
