#pragma once

#include <spawn.h>

namespace vethwork {

/// Adds actions that close all descriptors except 0, 1 and 2 in a spawned program. Descriptors that this process has
/// inherited may lack FD_CLOEXEC.
void closeInherited(posix_spawn_file_actions_t& actions);

/// Fallback for C libraries without such an action: closes the descriptors that are open now. A descriptor that another
/// thread opens meanwhile must have FD_CLOEXEC.
void closeOpened(posix_spawn_file_actions_t& actions);

}  // namespace vethwork
