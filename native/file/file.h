#pragma once

#include <sys/types.h>

#include <string>

namespace vethwork {

/// Acquires the lock (flock(2)) of an open file without blocking. The kernel releases it with the last descriptor of
/// the open file description, however the process ends.
/// @param shared acquires a shared lock instead of the exclusive one
/// @return 0, or the errno: EWOULDBLOCK if another open file description holds the lock
int lockFile(int fd, bool shared);

/// Releases the lock of an open file. @return 0, or the errno
int unlockFile(int fd);

/// Gives one user besides the owner access to a file or folder with an access control list (acl(5)), whatever the
/// user's groups. The group and all others have no access.
/// @param owner, user permissions of the two, as the three bits of a mode
/// @return 0, or the errno: EOPNOTSUPP if the file system does not support access control lists
int shareFile(const std::string& path, unsigned int owner, uid_t uid, unsigned int user);

}  // namespace vethwork
