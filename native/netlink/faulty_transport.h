#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "netlink/faults.h"
#include "netlink/transport.h"

namespace vethwork {

/// A transport that applies the faults of `Faults`.
class FaultyTransport final : public Transport {
 public:
  explicit FaultyTransport(Transport& inner) : inner_(inner) {}

  int send(std::span<const std::uint8_t> bytes) override;
  std::int64_t receive(std::span<std::uint8_t> buffer) override;

 private:
  int sendFaulty(std::span<const std::uint8_t> bytes);
  /// Sets the error in the answer to the refused message.
  void refuse(std::span<std::uint8_t> answers);

  Transport& inner_;
  std::optional<Fault> fault_;
  /// Sequence number of the refused message.
  std::uint32_t refused_ = 0;
};

}  // namespace vethwork
