#pragma once

#include <linux/pkt_sched.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "schema/encoder.h"
#include "value/value.h"

namespace vethwork {

/// How much may pass: `{ rate, burst }` in bytes a second and bytes.
struct Rate {
  std::uint64_t bytesPerSecond;
  std::uint32_t burst;

  /// @throws ValidationError
  static Rate parse(const Map& map, std::string_view rateKey, std::string_view burstKey, Path& path);

  /// As the kernel takes it; a rate beyond 32 bits needs an attribute of 64 bits beside it.
  [[nodiscard]] tc_ratespec specification() const;
  [[nodiscard]] bool isWide() const { return bytesPerSecond > 0xffffffff; }
  /// The time that the burst takes, in ticks.
  [[nodiscard]] std::uint32_t ticks() const;
};

/// How many bytes pass at a rate within a number of ticks.
std::uint32_t bytesWithin(std::uint32_t ticks, std::uint64_t bytesPerSecond);

/// The ticks that packets of rising size take: what actions still want, though the kernel computes it by itself.
std::array<std::uint32_t, TC_RTAB_SIZE / sizeof(std::uint32_t)> rateTable(const Rate& rate);

/// The rate that a specification and the attribute beside it tell.
std::uint64_t reportedRate(const tc_ratespec& specification, std::optional<std::uint64_t> wide);

}  // namespace vethwork
