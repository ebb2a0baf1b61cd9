#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

namespace vethwork {

/// An injected fault. Only tests arm one.
struct Fault {
  enum class Kind {
    /// The step is skipped and fails with `error`.
    refuse,
    /// The step is executed, but its answer is lost to a receive buffer overflow.
    loseAnswer,
    /// The answer is truncated.
    cutAnswer,
    /// The answers of a dump have the flag NLM_F_DUMP_INTR.
    interruptDump,
    /// The process is killed before the step. Earlier steps of the same send are executed.
    kill,
  };
  Kind kind = Kind::refuse;
  int error = 0;
};

/// Counts the steps of the process and selects the one at which the fault occurs. A step is a netlink message or an
/// operation that is system calls.
class Faults {
 public:
  static Faults& instance();

  /// Arms a fault for the `countdown`th step from now on, once.
  void arm(const Fault& fault, std::uint32_t countdown);
  /// Disarms the fault; returns true if it has not occurred.
  bool disarm();

  enum class Step { message, dump, call };
  /// Counts a step and returns the fault if it is due. Only dumps can be interrupted, and system calls have no answer
  /// to lose.
  std::optional<Fault> step(Step step);
  /// Like `step`, for system calls. @throws std::system_error if the fault is a refusal
  void directStep();

  [[nodiscard]] bool armed();

 private:
  std::mutex mutex_;
  Fault fault_;
  std::uint32_t countdown_ = 0;
};

}  // namespace vethwork
