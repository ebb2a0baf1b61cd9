#include "engine/session.h"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

namespace vethwork {

void Session::refresh() {
  if (reference_.isOwn()) {
    return;
  }
  UniqueFd fd = reference_.openAny();
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(), reference_.path());
  }
  // The open descriptor keeps its namespace alive, so its inode number cannot be reused.
  if (status.st_ino != inode_) {
    reference_.verify(fd);
    reset();
    inode_ = status.st_ino;
    fd_ = std::move(fd);
  }
}

Exchange& Session::exchange(int protocol, Worker& worker) {
  std::unique_ptr<Channel>& channel = channels_[protocol];
  if (!channel) {
    if (fd_) {
      const NamespaceEntry entry(worker.original, fd_.get());
      channel = std::make_unique<Channel>(protocol);
    } else {
      channel = std::make_unique<Channel>(protocol);
    }
  }
  return channel->exchange;
}

void Session::reset() {
  channels_.clear();
  fd_ = UniqueFd();
  inode_ = 0;
}

}  // namespace vethwork
