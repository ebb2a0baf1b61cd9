#include "engine/processor.h"

#include <unistd.h>

namespace vethwork {

Processor::Processor() : thread_(::gettid()), last_(::sched_getcpu()) {}

void Processor::note() { last_.store(::sched_getcpu(), std::memory_order_relaxed); }

void Processor::leave() const {
  const int processor = last_.load(std::memory_order_relaxed);
  if (processor < 0 || ::sched_getcpu() != processor) {
    return;
  }
  auto others = allowed();
  if (!others) {
    return;
  }
  CPU_CLR(static_cast<unsigned>(processor), &*others);
  if (CPU_COUNT(&*others) > 0) {
    (void)::sched_setaffinity(0, sizeof *others, &*others);
  }
}

void Processor::forget() const {
  const auto all = allowed();
  cpu_set_t own;
  // What was never narrowed is not to be fixed either: more processors may come.
  if (all && ::sched_getaffinity(0, sizeof own, &own) == 0 && !CPU_EQUAL(&own, &*all)) {
    (void)::sched_setaffinity(0, sizeof *all, &*all);
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
