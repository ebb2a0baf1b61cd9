#include "netlink/faults.h"

#include <signal.h>

#include <system_error>

namespace vethwork {

Faults& Faults::instance() {
  static Faults faults;
  return faults;
}

void Faults::arm(const Fault& fault, std::uint32_t countdown) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  countdown_ = countdown;
}

bool Faults::disarm() {
  const std::lock_guard lock(mutex_);
  const bool pending = countdown_ > 0;
  countdown_ = 0;
  return pending;
}

bool Faults::armed() {
  const std::lock_guard lock(mutex_);
  return countdown_ > 0;
}

std::optional<Fault> Faults::step(Step step) {
  const std::lock_guard lock(mutex_);
  const bool anywhere = fault_.kind == Fault::Kind::refuse || fault_.kind == Fault::Kind::kill;
  const bool counts =
      anywhere || step == Step::dump || (step == Step::message && fault_.kind != Fault::Kind::interruptDump);
  if (countdown_ == 0 || !counts || --countdown_ > 0) {
    return std::nullopt;
  }
  return fault_;
}

void Faults::directStep() {
  const auto fault = step(Step::call);
  if (!fault) {
    return;
  }
  if (fault->kind == Fault::Kind::kill) {
    ::raise(SIGKILL);
  }
  throw std::system_error(fault->error, std::generic_category());
}

}  // namespace vethwork
