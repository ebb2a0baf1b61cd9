#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "netlink/faults.h"
#include "netlink/transport.h"

namespace vethwork {

/// A transport whose messages and answers go wrong when the process's `Faults` say so.
class FaultyTransport final : public Transport {
 public:
  explicit FaultyTransport(Transport& inner) : inner_(inner) {}

  int send(std::span<const std::uint8_t> bytes) override;
  std::int64_t receive(std::span<std::uint8_t> buffer) override;

 private:
  int sendFaulty(std::span<const std::uint8_t> bytes);
  /// Gives the answer to the refused message the error it is to have.
  void refuse(std::span<std::uint8_t> answers);

  Transport& inner_;
  std::optional<Fault> fault_;
  /// Sequence number of the message that is refused.
  std::uint32_t refused_ = 0;
};

}  // namespace vethwork
