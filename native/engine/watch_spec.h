#pragma once

#include <vector>

#include "engine/event.h"
#include "netns/reference.h"
#include "schema/encoder.h"

namespace vethwork {

/// What is to be watched, and where.
struct WatchSpec {
  NamespaceReference netns;
  std::vector<const Topic*> topics;
  /// For each socket, in bytes.
  int bufferBytes;

  /// `{ netns?, topics?, bufferBytes? }`: all topics and 4 MiB unless said otherwise. @throws ValidationError
  static WatchSpec parse(const Map& options, Path& path);
};

}  // namespace vethwork
