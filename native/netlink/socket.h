#pragma once

#include "netlink/transport.h"
#include "netlink/unique_fd.h"

namespace vethwork {

/// A netlink request socket. It belongs to the network namespace of the thread that opens it.
class Socket final : public Transport {
 public:
  /// @throws std::system_error
  explicit Socket(int protocol);

  int send(std::span<const std::uint8_t> bytes) override;
  std::int64_t receive(std::span<std::uint8_t> buffer) override;

 private:
  int protocol_;
  UniqueFd fd_;
  /// Size of the largest send that the send buffer has been enlarged for.
  std::size_t sendBytes_ = 0;
};

}  // namespace vethwork
