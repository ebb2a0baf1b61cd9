#pragma once

#include <linux/pkt_sched.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// A rate and burst: `{ rate, burst }` in bytes per second and bytes.
struct Rate {
  std::uint64_t bytesPerSecond;
  std::uint32_t burst;

  /// @throws ValidationError
  static Rate parse(const Map& map, std::string_view rateKey, std::string_view burstKey, Path& path);

  /// The structure of the kernel. A rate beyond 32 bits needs an additional 64-bit attribute.
  [[nodiscard]] tc_ratespec specification() const;
  [[nodiscard]] bool isWide() const { return bytesPerSecond > 0xffffffff; }
  /// The burst as transmission time, in ticks.
  [[nodiscard]] std::uint32_t ticks() const;
};

/// Returns the bytes that are transmitted at a rate within a number of ticks.
std::uint32_t bytesWithin(std::uint32_t ticks, std::uint64_t bytesPerSecond);

/// Returns the rate table: ticks by packet size. Actions require it, although the kernel computes it itself.
std::array<std::uint32_t, TC_RTAB_SIZE / sizeof(std::uint32_t)> rateTable(const Rate& rate);

/// Returns the rate of a specification, or of the additional 64-bit attribute.
std::uint64_t reportedRate(const tc_ratespec& specification, std::optional<std::uint64_t> wide);

}  // namespace vethwork
