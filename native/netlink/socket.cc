#include "netlink/socket.h"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "netlink/rtnl.h"
#include "netlink/trace.h"

namespace vethwork {
namespace {

// Receive buffer for the acknowledgements of the largest batch that the engine sends.
constexpr int bufferBytes = 4 << 20;
constexpr std::size_t maximumSend = 1 << 30;
constexpr int replyTimeoutMilliseconds = 1000;

void option(int fd, int level, int name, int value) {
  // Older kernels lack some of these options, which only add detail or speed.
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

Socket::Socket(int protocol) : protocol_(protocol), fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
  if (!fd_) {
    throw std::system_error(errno, std::generic_category(), "netlink socket");
  }
  option(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, bufferBytes);
  option(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, bufferBytes);
  option(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, 1);
  option(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, 1);
  option(fd_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
}

int Socket::send(std::span<const std::uint8_t> bytes) {
  if (tracing()) {
    trace(protocol_, Direction::sent, bytes);
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  std::shared_lock<Rtnl> turn;
  if (protocol_ == NETLINK_ROUTE) {
    turn = Rtnl::message();
  }
  for (;;) {
    const ssize_t sent =
        ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0) {
      return 0;
    }
    if (errno == EMSGSIZE && bytes.size() > sendBytes_) {
      // An atomic batch cannot be split, so the send buffer grows to its size once.
      sendBytes_ = bytes.size();
      option(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, static_cast<int>(std::min(bytes.size(), maximumSend)));
    } else if (errno != EINTR) {
      return errno;
    }
  }
}

std::int64_t Socket::receive(std::span<std::uint8_t> buffer) {
  for (;;) {
    const ssize_t received = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (received >= 0) {
      if (static_cast<std::size_t>(received) > buffer.size()) {
        return -EMSGSIZE;
      }
      if (tracing()) {
        trace(protocol_, Direction::received, buffer.first(static_cast<std::size_t>(received)));
      }
      return received;
    }
    if (errno == EAGAIN) {
      pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, replyTimeoutMilliseconds) == 0) {
        return -EAGAIN;
      }
    } else if (errno != EINTR) {
      return -errno;
    }
  }
}

}  // namespace vethwork
