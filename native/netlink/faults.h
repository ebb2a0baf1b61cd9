#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

namespace vethwork {

/// What goes wrong on purpose. For the project's own tests only: nothing arms it otherwise.
struct Fault {
  enum class Kind {
    /// The step is not done, and fails with `error`.
    refuse,
    /// The step is done, but the socket overflows before it is answered.
    loseAnswer,
    /// The answer ends in its middle.
    cutAnswer,
    /// The answers to a dump say that it was interrupted.
    interruptDump,
    /// The process is killed before the step; what comes before it in the same send is done.
    kill,
  };
  Kind kind = Kind::refuse;
  int error = 0;
};

/// Counts the steps of the whole process, and says at which one the fault is due. A step is a netlink message, or an
/// operation that is system calls.
class Faults {
 public:
  static Faults& instance();

  /// At the `countdown`th step from now on, once.
  void arm(const Fault& fault, std::uint32_t countdown);
  /// True if the fault that was armed last has not happened.
  bool disarm();

  enum class Step { message, dump, call };
  /// Counts a step that the fault can happen to; the fault, if it is due. Only dumps can be interrupted, and calls have
  /// no answer that could be lost.
  std::optional<Fault> step(Step step);
  /// As `step`, for a call. @throws std::system_error if it is refused
  void directStep();

  [[nodiscard]] bool armed();

 private:
  std::mutex mutex_;
  Fault fault_;
  std::uint32_t countdown_ = 0;
};

}  // namespace vethwork
