#include "file/file.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/file.h>
#include <sys/xattr.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>

namespace vethwork {
namespace {

constexpr std::uint16_t little16(std::uint16_t value) {
  return std::endian::native == std::endian::little ? value : __builtin_bswap16(value);
}

constexpr std::uint32_t little32(std::uint32_t value) {
  return std::endian::native == std::endian::little ? value : __builtin_bswap32(value);
}

constexpr posix_acl_xattr_entry entry(int tag, unsigned int permissions,
                                      std::uint32_t id = static_cast<std::uint32_t>(ACL_UNDEFINED_ID)) {
  return {.e_tag = little16(static_cast<std::uint16_t>(tag)),
          .e_perm = little16(static_cast<std::uint16_t>(permissions)),
          .e_id = little32(id)};
}

/// Value of the extended attribute, with the entries in the order that the kernel requires.
struct AccessList {
  posix_acl_xattr_header header{.a_version = little32(POSIX_ACL_XATTR_VERSION)};
  std::array<posix_acl_xattr_entry, 5> entries;
};

}  // namespace

int lockFile(int fd, bool shared) { return ::flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 ? 0 : errno; }

int unlockFile(int fd) { return ::flock(fd, LOCK_UN) == 0 ? 0 : errno; }

int shareFile(const std::string& path, unsigned int owner, uid_t uid, unsigned int user) {
  const AccessList list{.entries = {entry(ACL_USER_OBJ, owner), entry(ACL_USER, user, uid), entry(ACL_GROUP_OBJ, 0),
                                    entry(ACL_MASK, user), entry(ACL_OTHER, 0)}};
  return ::lsetxattr(path.c_str(), "system.posix_acl_access", &list, sizeof list, 0) == 0 ? 0 : errno;
}

}  // namespace vethwork
