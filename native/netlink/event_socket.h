#pragma once

#include <cstdint>
#include <span>

#include "netlink/reader.h"
#include "netlink/unique_fd.h"

namespace vethwork {

/// A netlink socket for notifications. It belongs to the network namespace of the thread that opens it.
class EventSocket {
 public:
  /// @param bufferBytes receive buffer; the kernel drops notifications that do not fit
  /// @throws std::system_error
  EventSocket(int protocol, std::span<const unsigned int> groups, int bufferBytes);

  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Filters out datagrams that do not start with a message of one of these types, so that they do not fill the
  /// buffer. @throws std::system_error
  void keepOnly(std::span<const std::uint16_t> types);

  /// Receives one datagram; 0 bytes if its sender is not the kernel. A negative errno on failure: -EAGAIN if there is
  /// none, -ENOBUFS once after the kernel has dropped some.
  std::int64_t receive(std::span<std::uint8_t> buffer);

  /// Discards the pending datagrams.
  void drain();

 private:
  UniqueFd fd_;
};

}  // namespace vethwork
