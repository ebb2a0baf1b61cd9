#pragma once

#include <cstdint>
#include <span>

namespace vethwork {

/// Interface for sending and receiving datagrams. Unit tests replace it.
class Transport {
 public:
  virtual ~Transport() = default;

  /// 0 or an errno.
  virtual int send(std::span<const std::uint8_t> bytes) = 0;

  /// Returns the number of received bytes, or a negative errno. The kernel answers a request before `send` returns, so
  /// an implementation need not wait long: -EAGAIN means that a reply was lost.
  virtual std::int64_t receive(std::span<std::uint8_t> buffer) = 0;
};

}  // namespace vethwork
