#include "engine/processor.h"

#include <unistd.h>

namespace vethwork {

Processor::Processor() : thread_(::gettid()), last_(::sched_getcpu()) {}

void Processor::note() { last_.store(::sched_getcpu(), std::memory_order_relaxed); }

bool Processor::leave(Placement& placement) const {
  const int processor = last_.load(std::memory_order_relaxed);
  if (processor < 0 || placement.avoided == processor) {
    return processor >= 0;
  }
  auto others = allowed();
  if (!others) {
    return false;
  }
  CPU_CLR(static_cast<unsigned>(processor), &*others);
  if (CPU_COUNT(&*others) == 0 || ::sched_setaffinity(placement.thread, sizeof *others, &*others) != 0) {
    return false;
  }
  placement.avoided = processor;
  return true;
}

void Processor::forget(Placement& placement) const {
  placement.avoided = -1;
  const auto all = allowed();
  cpu_set_t own;
  // A thread is born with what its maker may use. What was never narrowed is not to be fixed either: more processors
  // may come.
  if (all && ::sched_getaffinity(placement.thread, sizeof own, &own) == 0 && !CPU_EQUAL(&own, &*all)) {
    (void)::sched_setaffinity(placement.thread, sizeof *all, &*all);
  }
}

std::optional<cpu_set_t> Processor::allowed() const {
  cpu_set_t set;
  if (::sched_getaffinity(thread_, sizeof set, &set) != 0) {
    return std::nullopt;
  }
  return set;
}

}  // namespace vethwork
