#pragma once

#include "netns/entry.h"

namespace vethwork {

/// State of the thread that executes an operation.
struct Worker {
  OriginalNamespace original;
  /// Readable when the engine stops. Blocking operations include it in their poll.
  int stopFd = -1;
};

}  // namespace vethwork
