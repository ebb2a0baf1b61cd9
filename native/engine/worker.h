#pragma once

#include "netns/entry.h"

namespace vethwork {

/// What an operation may use of the thread it runs on.
struct Worker {
  ThreadHome home;
  /// Readable when the engine stops: whatever waits for something else polls this as well.
  int stopFd = -1;
};

}  // namespace vethwork
