#include "netns/pin.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "netns/reference.h"

namespace vethwork {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

std::string pinPath(const std::string& name) { return std::string(pinFolder) + '/' + name; }

/// Pins have to reach other mount namespaces, and removing them there has to reach us: the folder is a shared mount.
void preparePinFolder() {
  if (::mkdir(pinFolder, 0755) != 0 && errno != EEXIST) {
    fail(std::string("create ") + pinFolder);
  }
  if (::mount("", pinFolder, "none", MS_SHARED | MS_REC, nullptr) == 0) {
    return;
  }
  if (errno != EINVAL) {
    fail(std::string("share ") + pinFolder);
  }
  // Not a mount point yet.
  if (::mount(pinFolder, pinFolder, "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", pinFolder, "none", MS_SHARED | MS_REC, nullptr) != 0) {
    fail(std::string("share ") + pinFolder);
  }
}

/// What a file has that we made to pin a namespace on, and that no mount hides.
constexpr mode_t bareMode = S_IFREG | S_IRUSR;

bool isBare(const struct stat& status) { return status.st_mode == bareMode && status.st_size == 0; }

/// The file to pin a namespace on, locked while that is being done. One that a crash left bare, which nobody has the
/// lock of, serves again. @throws std::system_error: EEXIST where there is a namespace, or a file of others.
UniqueFd claimPinFile(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, S_IRUSR));
  struct stat held {};
  struct stat there {};
  // What is there once the lock is held counts: another may have pinned or removed it meanwhile.
  const bool isClaimed = file && ::fstat(file.get(), &held) == 0 && isBare(held) &&
                         ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && ::lstat(path.c_str(), &there) == 0 &&
                         there.st_dev == held.st_dev && there.st_ino == held.st_ino;
  if (isClaimed) {
    return file;
  }
  if (file || ::lstat(path.c_str(), &there) == 0) {
    errno = EEXIST;
  }
  fail(path);
}

}  // namespace

void createNamespace(ThreadHome& home, const std::string& name) {
  preparePinFolder();
  const std::string path = pinPath(name);
  const UniqueFd file = claimPinFile(path);
  try {
    const NamespaceEntry entry = NamespaceEntry::fresh(home);
    if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
      fail("pin " + path);
    }
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
}

void deleteNamespace(const std::string& name) {
  const std::string path = pinPath(name);
  // Detached at once, whoever still looks at it. EINVAL: a file that is no mount point, left by a crash.
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL) {
    fail(path);
  }
  if (::unlink(path.c_str()) != 0) {
    fail(path);
  }
}

std::vector<std::string> listNamespaces() {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(pinFolder), ::closedir);
  if (!folder) {
    return names;
  }
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    try {
      (void)NamespaceReference::ofName(name).open();
      names.push_back(name);
    } catch (const std::system_error&) {
      // Not a namespace, or gone meanwhile.
    }
  }
  return names;
}

}  // namespace vethwork
