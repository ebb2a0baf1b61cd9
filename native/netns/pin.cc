#include "netns/pin.h"

#include <dirent.h>
#include <fcntl.h>
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

}  // namespace

void createNamespace(ThreadHome& home, const std::string& name) {
  preparePinFolder();
  const std::string path = pinPath(name);
  if (!UniqueFd(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0))) {
    fail(path);
  }
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
