#pragma once

#include <sys/types.h>

#include <string>

namespace vethwork {

/// Takes the exclusive lock (flock(2)) of an open file, without waiting. The kernel takes it back when the last
/// descriptor of that opening is closed, however the process ends.
/// @return 0, or the errno: EWOULDBLOCK if another opening of the file holds it
int lockFile(int fd);

/// Lets one user besides the owner use a file or folder, whatever its groups are, by an access control list (acl(5)).
/// Its group and all others have no access then.
/// @param owner, user permissions of the two, as the three bits of a mode
/// @return 0, or the errno: EOPNOTSUPP if the file system has no such lists
int shareFile(const std::string& path, unsigned int owner, uid_t uid, unsigned int user);

}  // namespace vethwork
