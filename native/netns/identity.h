#pragma once

#include <string>

namespace vethwork {

/// Returns the identity of the network namespace of a descriptor: `<cookie>@<boot id>`. Unlike the inode number, the
/// kernel does not reuse the cookie within a boot (SO_NETNS_COOKIE, Linux 5.14). Empty on older kernels.
/// @throws std::system_error
std::string namespaceIdentity(int fd);

}  // namespace vethwork
