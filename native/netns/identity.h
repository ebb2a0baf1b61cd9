#pragma once

#include <string>

namespace vethwork {

/// Identity of the network namespace behind a descriptor: `<cookie>@<boot id>`. The kernel does not reuse a cookie
/// within a boot (SO_NETNS_COOKIE, Linux 5.14), unlike the inode of the namespace's file. Empty on older kernels.
/// @throws std::system_error
std::string namespaceIdentity(int fd);

}  // namespace vethwork
