#pragma once

#include "netlink/transport.h"
#include "netlink/unique_fd.h"

namespace vethwork {

/// A netlink socket. It belongs to the network namespace of the thread that makes it, for good.
class Socket final : public Transport {
 public:
  /// @throws std::system_error
  explicit Socket(int protocol);

  int send(std::span<const std::uint8_t> bytes) override;
  std::int64_t receive(std::span<std::uint8_t> buffer) override;

 private:
  int protocol_;
  UniqueFd fd_;
  /// The largest send that room was made for.
  std::size_t sendBytes_ = 0;
};

}  // namespace vethwork
