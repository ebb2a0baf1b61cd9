#include "netns/inherited.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>

/// Available in glibc 2.34 and later, not in musl. Resolved at load time.
extern "C" int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t* actions, int from) noexcept
    __attribute__((weak));

namespace vethwork {
namespace {

constexpr int firstClosed = STDERR_FILENO + 1;

void checkInherited(int error) {
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "posix_spawn_file_actions");
  }
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

}  // namespace

void closeInherited(posix_spawn_file_actions_t& actions) {
  if (posix_spawn_file_actions_addclosefrom_np != nullptr) {
    checkInherited(posix_spawn_file_actions_addclosefrom_np(&actions, firstClosed));
  } else {
    closeOpened(actions);
  }
}

void closeOpened(posix_spawn_file_actions_t& actions) {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir("/proc/self/fd"));
  if (folder == nullptr) {
    checkInherited(errno);
  }
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    int fd = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), fd);
    // The descriptor of the folder is closed before; posix_spawn ignores the failure of closing it again.
    if (error == std::errc() && fd >= firstClosed) {
      checkInherited(::posix_spawn_file_actions_addclose(&actions, fd));
    }
  }
}

}  // namespace vethwork
