#include "netns/identity.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <system_error>
#include <thread>

#include "netlink/unique_fd.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace vethwork {
namespace {

/// NS_GET_ID (Linux 6.18): the cookie of a network namespace without entering it.
constexpr unsigned long getId = _IOR(NSIO, 0xd, std::uint64_t);

std::optional<std::uint64_t> cookieInside(int fd, int& error) {
  if (::setns(fd, CLONE_NEWNET) != 0) {
    error = errno;
    return {};
  }
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (!socket) {
    error = errno;
    return {};
  }
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) {
    return {};
  }
  return cookie;
}

/// Empty if the kernel has no cookies.
std::optional<std::uint64_t> cookieOf(int fd) {
  std::uint64_t id = 0;
  if (::ioctl(fd, getId, &id) == 0) {
    return id;
  }
  // A new thread enters the namespace, so that no existing thread has to return from it.
  std::optional<std::uint64_t> cookie;
  int error = 0;
  std::thread([&] { cookie = cookieInside(fd, error); }).join();
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "cookie of a network namespace");
  }
  return cookie;
}

const std::string& bootId() {
  static const std::string id = [] {
    std::array<char, 36> text{};
    const UniqueFd file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : -1;
    return std::string(text.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  }();
  return id;
}

}  // namespace

std::string namespaceIdentity(int fd) {
  const std::optional<std::uint64_t> cookie = cookieOf(fd);
  return cookie ? std::to_string(*cookie) + '@' + bootId() : std::string();
}

}  // namespace vethwork
