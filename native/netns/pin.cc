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

/// What is at a path now: no link is followed, and nothing is waited for.
UniqueFd openAsItIs(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

/// Whoever makes a pin has its file's lock. EWOULDBLOCK: another has it.
bool lock(const UniqueFd& file) { return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0; }

/// The file to pin a namespace on, locked while that is being done. One that a crash left bare, which nobody has the
/// lock of, serves again.
class PinFile {
 public:
  /// @throws std::system_error: EEXIST where there is a namespace, or a file of others
  explicit PinFile(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR)), isNew_(static_cast<bool>(fd_)) {
    if (isNew_) {
      // Whatever the umask says.
      (void)::fchmod(fd_.get(), S_IRUSR);
    } else if (errno == EEXIST) {
      fd_ = openAsItIs(path);
    } else {
      fail(path);
    }
    struct stat held {};
    struct stat there {};
    // What is there once the lock is held counts: another may have pinned or removed it meanwhile.
    const bool isClaimed = fd_ && ::fstat(fd_.get(), &held) == 0 && isBare(held) && lock(fd_) &&
                           ::lstat(path.c_str(), &there) == 0 && there.st_dev == held.st_dev &&
                           there.st_ino == held.st_ino;
    if (!isClaimed) {
      errno = EEXIST;
      fail(path);
    }
  }

  /// Pins the calling thread's namespace: on this very file, whatever has become of its path.
  void pin(const std::string& path) const {
    const std::string target = "/proc/thread-self/fd/" + std::to_string(fd_.get());
    if (::mount("/proc/thread-self/ns/net", target.c_str(), "none", MS_BIND, nullptr) != 0) {
      fail("pin " + path);
    }
    // Whoever watches the folder hears of a file that is made or changed, but of no mount.
    (void)::fchmod(fd_.get(), S_IRUSR);
  }

  [[nodiscard]] bool isNew() const { return isNew_; }

 private:
  UniqueFd fd_;
  bool isNew_;
};

}  // namespace

void createNamespace(ThreadHome& home, const std::string& name) {
  preparePinFolder();
  const std::string path = pinPath(name);
  const PinFile file(path);
  try {
    const NamespaceEntry entry = NamespaceEntry::fresh(home);
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
  // Detached at once, whoever still looks at it. EINVAL: a file that is no mount point, left by a crash.
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL) {
    fail(path);
  }
  const UniqueFd file = openAsItIs(path);
  if (file && !lock(file) && errno == EWOULDBLOCK) {
    // Somebody is making it anew.
    return;
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
