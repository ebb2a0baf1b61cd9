#pragma once

#include <vector>

#include "engine/event.h"
#include "netns/reference.h"
#include "schema/encoder.h"

namespace vethwork {

/// Namespace and topics of a watch.
struct WatchSpec {
  NamespaceReference netns;
  std::vector<const Topic*> topics;
  /// Receive buffer of each socket in bytes.
  int bufferBytes;

  /// Reads `{ netns?, topics?, bufferBytes? }`. Defaults: the usual topics and 4 MiB. @throws ValidationError
  static WatchSpec parse(const Map& options, Path& path);
};

}  // namespace vethwork
