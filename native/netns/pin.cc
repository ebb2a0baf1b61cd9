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

#include "file/system_error.h"
#include "netns/reference.h"

namespace vethwork {
namespace {

std::string pinPath(const std::string& name) { return std::string(pinFolder) + '/' + name; }

/// Makes the folder a shared mount, so that pins and their removal propagate to other mount namespaces.
void preparePinFolder() {
  if (::mkdir(pinFolder, 0755) != 0 && errno != EEXIST) {
    throwSystemError(errno, std::string("create ") + pinFolder);
  }
  if (::mount("", pinFolder, "none", MS_SHARED | MS_REC, nullptr) == 0) {
    return;
  }
  if (errno != EINVAL) {
    throwSystemError(errno, std::string("share ") + pinFolder);
  }
  // The folder is not a mount point yet.
  if (::mount(pinFolder, pinFolder, "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", pinFolder, "none", MS_SHARED | MS_REC, nullptr) != 0) {
    throwSystemError(errno, std::string("share ") + pinFolder);
  }
}

/// Mode of a file that this package has created for a pin and that no mount covers.
constexpr mode_t bareMode = S_IFREG | S_IRUSR;

bool isBare(const struct stat& status) { return status.st_mode == bareMode && status.st_size == 0; }

/// Opens a path without following links and without blocking.
UniqueFd openAsItIs(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

/// Locks the file of a pin while the pin is created. EWOULDBLOCK: another process has the lock.
bool lock(const UniqueFd& file) { return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0; }

/// Opens and locks the file to pin a namespace on. A bare file that a crashed process left is reused if it is not
/// locked.
class PinFile {
 public:
  /// @throws std::system_error EEXIST if there is a namespace or a file of another origin
  explicit PinFile(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR)), isNew_(static_cast<bool>(fd_)) {
    if (isNew_) {
      // Independent of the umask.
      (void)::fchmod(fd_.get(), S_IRUSR);
    } else if (errno == EEXIST) {
      fd_ = openAsItIs(path);
    } else {
      throwSystemError(errno, path);
    }
    struct stat held {};
    struct stat there {};
    // Checked again under the lock: another process may have pinned or removed the file meanwhile.
    const bool isClaimed = fd_ && ::fstat(fd_.get(), &held) == 0 && isBare(held) && lock(fd_) &&
                           ::lstat(path.c_str(), &there) == 0 && there.st_dev == held.st_dev &&
                           there.st_ino == held.st_ino;
    if (!isClaimed) {
      errno = EEXIST;
      throwSystemError(errno, path);
    }
  }

  /// Bind-mounts the calling thread's namespace on this file, even if its path has changed.
  void pin(const std::string& path) const {
    const std::string target = "/proc/thread-self/fd/" + std::to_string(fd_.get());
    if (::mount("/proc/thread-self/ns/net", target.c_str(), "none", MS_BIND, nullptr) != 0) {
      throwSystemError(errno, "pin " + path);
    }
    // inotify reports created and changed files, but not mounts.
    (void)::fchmod(fd_.get(), S_IRUSR);
  }

  [[nodiscard]] bool isNew() const { return isNew_; }

 private:
  UniqueFd fd_;
  bool isNew_;
};

}  // namespace

void createNamespace(OriginalNamespace& original, const std::string& name) {
  preparePinFolder();
  const std::string path = pinPath(name);
  const PinFile file(path);
  try {
    const NamespaceEntry entry = NamespaceEntry::fresh(original);
    file.pin(path);
  } catch (...) {
    if (file.isNew()) {
      ::unlink(path.c_str());
    }
    throw;
  }
}

void deleteNamespace(const std::string& name) {
  const std::string path = pinPath(name);
  // Detached lazily, although it may be in use. EINVAL: a file without a mount, left by a crash.
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL) {
    throwSystemError(errno, path);
  }
  const UniqueFd file = openAsItIs(path);
  if (file && !lock(file) && errno == EWOULDBLOCK) {
    // Another process is creating the pin.
    return;
  }
  if (::unlink(path.c_str()) != 0) {
    throwSystemError(errno, path);
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
      // Not a namespace, or deleted meanwhile.
    }
  }
  return names;
}

}  // namespace vethwork
