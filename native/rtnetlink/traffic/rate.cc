#include "rtnetlink/traffic/rate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "schema/arguments.h"

namespace vethwork {
namespace {

/// PSCHED_SHIFT of the kernel (include/net/pkt_sched.h): a tick is 64 ns, as /proc/net/psched shows.
constexpr double ticksPerSecond = 1e9 / 64;

/// Rate table: 256 cells of 8 bytes, for packets of up to 2047 bytes.
constexpr std::uint8_t cellLog = 3;

double ticksFor(double bytes, std::uint64_t bytesPerSecond) {
  // The order of the operations keeps integral results exact.
  return std::ceil(bytes * ticksPerSecond / static_cast<double>(bytesPerSecond));
}

std::uint32_t narrow(double number) {
  return static_cast<std::uint32_t>(std::min(number, double{std::numeric_limits<std::uint32_t>::max()}));
}

}  // namespace

Rate Rate::parse(const Map& map, std::string_view rateKey, std::string_view burstKey, Path& path) {
  Rate rate{};
  {
    const auto scope = path.at(rateKey);
    rate.bytesPerSecond =
        static_cast<std::uint64_t>(integer(member(map, rateKey), path, 1, std::numeric_limits<std::int64_t>::max()));
  }
  const auto scope = path.at(burstKey);
  const Value& burst = member(map, burstKey);
  rate.burst = static_cast<std::uint32_t>(integer(burst, path, 1, std::numeric_limits<std::uint32_t>::max()));
  if (ticksFor(rate.burst, rate.bytesPerSecond) > std::numeric_limits<std::uint32_t>::max()) {
    path.reject(burst, "at most the bytes that pass at the rate in 274 seconds");
  }
  return rate;
}

tc_ratespec Rate::specification() const {
  return {.cell_log = cellLog,
          .linklayer = TC_LINKLAYER_ETHERNET,
          .overhead = 0,
          .cell_align = -1,
          .mpu = 0,
          .rate = isWide() ? std::numeric_limits<std::uint32_t>::max() : static_cast<std::uint32_t>(bytesPerSecond)};
}

std::uint32_t Rate::ticks() const { return narrow(ticksFor(burst, bytesPerSecond)); }

std::uint32_t bytesWithin(std::uint32_t ticks, std::uint64_t bytesPerSecond) {
  return narrow(std::floor(ticks / ticksPerSecond * static_cast<double>(bytesPerSecond)));
}

std::array<std::uint32_t, TC_RTAB_SIZE / sizeof(std::uint32_t)> rateTable(const Rate& rate) {
  std::array<std::uint32_t, TC_RTAB_SIZE / sizeof(std::uint32_t)> table{};
  for (std::size_t cell = 0; cell < table.size(); ++cell) {
    table[cell] = narrow(ticksFor(static_cast<double>((cell + 1) << cellLog), rate.bytesPerSecond));
  }
  return table;
}

std::uint64_t reportedRate(const tc_ratespec& specification, std::optional<std::uint64_t> wide) {
  return wide.value_or(specification.rate);
}

}  // namespace vethwork
