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

std::optional<Fault> Faults::step(bool isDump) {
  const std::lock_guard lock(mutex_);
  const bool counts = fault_.kind != Fault::Kind::interruptDump || isDump;
  if (countdown_ == 0 || !counts || --countdown_ > 0) {
    return std::nullopt;
  }
  return fault_;
}

void Faults::directStep() {
  const auto fault = step();
  if (!fault) {
    return;
  }
  if (fault->kind == Fault::Kind::kill) {
    ::raise(SIGKILL);
  }
  if (fault->kind == Fault::Kind::refuse) {
    throw std::system_error(fault->error, std::generic_category());
  }
  // There is no answer that could be lost: the next message's is.
  arm(*fault, 1);
}

}  // namespace vethwork
