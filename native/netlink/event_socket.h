#pragma once

#include <cstdint>
#include <span>

#include "netlink/reader.h"
#include "netlink/unique_fd.h"

namespace vethwork {

/// A netlink socket that only listens. It belongs to the network namespace of the thread that makes it.
class EventSocket {
 public:
  /// @param bufferBytes what the kernel holds of events that nobody has read yet; it drops what does not fit
  /// @throws std::system_error
  EventSocket(int protocol, std::span<const unsigned int> groups, int bufferBytes);

  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Keeps only datagrams that start with a message of this type: the others do not fill the buffer.
  /// @throws std::system_error
  void keepOnly(std::uint16_t type);

  /// One datagram, of no bytes if it is not the kernel's. A negative errno otherwise: -EAGAIN if there is none,
  /// -ENOBUFS once after the kernel has dropped some.
  std::int64_t receive(std::span<std::uint8_t> buffer);

  /// Forgets what the kernel holds.
  void drain();

 private:
  UniqueFd fd_;
};

}  // namespace vethwork
