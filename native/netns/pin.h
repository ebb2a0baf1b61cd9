#pragma once

#include <string>
#include <vector>

#include "netns/entry.h"

namespace vethwork {

/// Creates a network namespace and pins it under /run/netns. Like `ip netns add`. EEXIST if the name exists.
/// @throws std::system_error
void createNamespace(OriginalNamespace& original, const std::string& name);

/// Removes the pin. Like `ip netns delete`. The namespace ends with its last process, socket and pin. @throws
/// std::system_error
void deleteNamespace(const std::string& name);

/// Returns the names under /run/netns that are network namespaces.
std::vector<std::string> listNamespaces();

}  // namespace vethwork
