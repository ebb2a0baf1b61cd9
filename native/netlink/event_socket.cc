#include "netlink/event_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "file/system_error.h"

namespace vethwork {
EventSocket::EventSocket(int protocol, std::span<const unsigned int> groups, int bufferBytes)
    : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)) {
  if (!fd_) {
    throwSystemError(errno, "netlink socket");
  }
  // Exceeding net.core.rmem_max requires CAP_NET_ADMIN.
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bufferBytes, sizeof bufferBytes) != 0 &&
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bufferBytes, sizeof bufferBytes) != 0) {
    throwSystemError(errno, "SO_RCVBUF");
  }
  // The kernel sends notifications only to bound sockets.
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    throwSystemError(errno, "bind");
  }
  for (const unsigned int group : groups) {
    if (::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      throwSystemError(errno, "NETLINK_ADD_MEMBERSHIP");
    }
  }
}

void EventSocket::keepOnly(std::span<const std::uint16_t> types) {
  // Classic BPF loads in network byte order; netlink headers are in host byte order.
  std::vector<sock_filter> code{BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type))};
  for (const std::uint16_t type : types) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(type), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, 0xffffffff));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    throwSystemError(errno, "SO_ATTACH_FILTER");
  }
}

std::int64_t EventSocket::receive(std::span<std::uint8_t> buffer) {
  sockaddr_nl sender{};
  socklen_t length = sizeof sender;
  const ssize_t received = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC,
                                      reinterpret_cast<sockaddr*>(&sender), &length);
  if (received < 0) {
    return -errno;
  }
  if (sender.nl_pid != 0) {
    return 0;
  }
  return static_cast<std::size_t>(received) > buffer.size() ? -EMSGSIZE : received;
}

void EventSocket::drain() {
  // Bounded, because new datagrams may arrive as fast as they are read.
  constexpr int most = 1 << 18;
  std::uint8_t nothing = 0;
  for (int count = 0; count < most; ++count) {
    if (::recv(fd_.get(), &nothing, sizeof nothing, MSG_DONTWAIT | MSG_TRUNC) < 0 && errno == EAGAIN) {
      return;
    }
  }
}

}  // namespace vethwork
