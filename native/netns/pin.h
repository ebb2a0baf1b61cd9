#pragma once

#include <string>
#include <vector>

#include "netns/entry.h"

namespace vethwork {

/// Creates a network namespace and pins it under /run/netns, as `ip netns add` does. EEXIST if the name is taken.
/// @throws std::system_error
void createNamespace(ThreadHome& home, const std::string& name);

/// Removes the pin. The namespace itself ends with its last process, socket and pin. @throws std::system_error
void deleteNamespace(const std::string& name);

/// Names under /run/netns that hold a network namespace.
std::vector<std::string> listNamespaces();

}  // namespace vethwork
