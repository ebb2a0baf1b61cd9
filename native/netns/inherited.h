#pragma once

#include <spawn.h>

namespace vethwork {

/// A program that is started with these actions has none of this process's file descriptors but 0, 1 and 2: what this
/// process has inherited itself may lack FD_CLOEXEC.
void closeInherited(posix_spawn_file_actions_t& actions);

/// The same where the C library cannot do it: closes what is open now. A descriptor that another thread opens meanwhile
/// has to have FD_CLOEXEC.
void closeOpened(posix_spawn_file_actions_t& actions);

}  // namespace vethwork
