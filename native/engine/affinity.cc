#include "engine/affinity.h"

#include <unistd.h>

namespace vethwork {

JavaScriptCpu::JavaScriptCpu() : thread_(::gettid()), last_(::sched_getcpu()) {}

void JavaScriptCpu::record() { last_.store(::sched_getcpu(), std::memory_order_relaxed); }

bool JavaScriptCpu::avoid(Affinity& affinity) const {
  const int processor = last_.load(std::memory_order_relaxed);
  if (processor < 0 || affinity.avoided == processor) {
    return processor >= 0;
  }
  auto others = allowed();
  if (!others) {
    return false;
  }
  CPU_CLR(static_cast<unsigned>(processor), &*others);
  if (CPU_COUNT(&*others) == 0 || ::sched_setaffinity(affinity.thread, sizeof *others, &*others) != 0) {
    return false;
  }
  affinity.avoided = processor;
  return true;
}

void JavaScriptCpu::unrestrict(Affinity& affinity) const {
  affinity.avoided = -1;
  const auto all = allowed();
  cpu_set_t own;
  // A thread inherits the affinity of its creator. One that was never restricted is not set explicitly either, because
  // processors may be added later.
  if (all && ::sched_getaffinity(affinity.thread, sizeof own, &own) == 0 && !CPU_EQUAL(&own, &*all)) {
    (void)::sched_setaffinity(affinity.thread, sizeof *all, &*all);
  }
}

std::optional<cpu_set_t> JavaScriptCpu::allowed() const {
  cpu_set_t set;
  if (::sched_getaffinity(thread_, sizeof set, &set) != 0) {
    return std::nullopt;
  }
  return set;
}

}  // namespace vethwork
