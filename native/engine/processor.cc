#include "engine/processor.h"

#include <sched.h>
#include <unistd.h>

namespace vethwork {

Processor::Processor() : thread_(::gettid()), last_(::sched_getcpu()) {}

void Processor::note() { last_.store(::sched_getcpu(), std::memory_order_relaxed); }

void Processor::leave() const {
  const int processor = last_.load(std::memory_order_relaxed);
  if (processor < 0 || ::sched_getcpu() != processor) {
    return;
  }
  cpu_set_t others;
  // What JavaScript may use, the engine may use as well. It fails on machines with more processors than the set can
  // hold, whose schedulers find another one.
  if (::sched_getaffinity(thread_, sizeof others, &others) != 0) {
    return;
  }
  CPU_CLR(static_cast<unsigned>(processor), &others);
  if (CPU_COUNT(&others) > 0) {
    (void)::sched_setaffinity(0, sizeof others, &others);
  }
}

}  // namespace vethwork
