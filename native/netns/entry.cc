#include "netns/entry.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <system_error>

namespace vethwork {

UniqueFd currentNamespace() {
  UniqueFd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd) {
    throw std::system_error(errno, std::generic_category(), "/proc/thread-self/ns/net");
  }
  return fd;
}

void OriginalNamespace::restore() noexcept {
  if (::setns(fd_, CLONE_NEWNET) != 0) {
    restoreFailed_ = true;
  }
}

NamespaceEntry::NamespaceEntry(OriginalNamespace& original, int fd) : original_(original) {
  if (::setns(fd, CLONE_NEWNET) != 0) {
    throw std::system_error(errno, std::generic_category(), "setns");
  }
}

NamespaceEntry NamespaceEntry::fresh(OriginalNamespace& original) {
  if (::unshare(CLONE_NEWNET) != 0) {
    throw std::system_error(errno, std::generic_category(), "unshare");
  }
  return NamespaceEntry(original);
}

}  // namespace vethwork
