#pragma once

#include <sched.h>

namespace vethwork {

/// Processor hint for spin loops.
inline void cpuRelax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits without sleeping, while the condition holds. Other threads may use the processor meanwhile.
template <typename Condition>
void spinWhile(const Condition& condition) {
  constexpr int pausesPerCheck = 16;
  while (condition()) {
    for (int pause = 0; pause < pausesPerCheck; ++pause) {
      cpuRelax();
    }
    ::sched_yield();
  }
}

}  // namespace vethwork
