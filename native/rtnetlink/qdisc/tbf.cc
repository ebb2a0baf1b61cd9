#include <linux/pkt_sched.h>

#include <array>
#include <limits>

#include "rtnetlink/qdisc/kinds.h"
#include "rtnetlink/traffic/rate.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

/// Reads seconds, possibly fractional.
double latency(const Value& value, const Path& path) {
  double seconds = -1;
  if (const auto* whole = value.as<std::int64_t>()) {
    seconds = static_cast<double>(*whole);
  } else if (const auto* fraction = value.as<double>()) {
    seconds = *fraction;
  }
  if (!(seconds >= 0 && seconds <= 3600)) {
    path.reject(value, "seconds, 0 to 3600");
  }
  return seconds;
}

/// Returns the queue limit in bytes: `limit`, or derived from `latency`.
std::uint32_t limit(const Map& options, const Rate& rate, Path& path) {
  constexpr double most = std::numeric_limits<std::uint32_t>::max();
  if (const Value* time = given(options, "latency")) {
    const auto scope = path.at("latency");
    const double bytes = static_cast<double>(rate.bytesPerSecond) * latency(*time, path) + rate.burst;
    if (given(options, "limit") != nullptr || bytes > most) {
      path.reject(*time, "either latency or limit, and at most 4 GiB at the rate");
    }
    return static_cast<std::uint32_t>(bytes);
  }
  const auto scope = path.at("limit");
  return static_cast<std::uint32_t>(integer(member(options, "limit"), path, 0, static_cast<std::int64_t>(most)));
}

void encodeTbf(const Map& options, Encoder& to) {
  static const Schema known{};
  static constexpr std::array<std::string_view, 6> names{"rate", "burst", "limit", "latency", "peakRate", "mtu"};
  known.encode(options, to, names);
  const Rate rate = Rate::parse(options, "rate", "burst", to.path);
  tc_tbf_qopt parameters{};
  parameters.rate = rate.specification();
  parameters.buffer = rate.ticks();
  parameters.limit = limit(options, rate, to.path);
  Rate peak{};
  if (given(options, "peakRate") != nullptr || given(options, "mtu") != nullptr) {
    peak = Rate::parse(options, "peakRate", "mtu", to.path);
    if (peak.bytesPerSecond <= rate.bytesPerSecond) {
      const auto scope = to.path.at("peakRate");
      to.path.reject(*options.find("peakRate"), "more than the rate");
    }
    parameters.peakrate = peak.specification();
    parameters.mtu = peak.ticks();
  }
  to.batch.put(TCA_TBF_PARMS, parameters);
  to.batch.put(TCA_TBF_BURST, rate.burst);
  if (rate.isWide()) {
    to.batch.put(TCA_TBF_RATE64, rate.bytesPerSecond);
  }
  if (peak.bytesPerSecond != 0) {
    to.batch.put(TCA_TBF_PBURST, peak.burst);
    if (peak.isWide()) {
      to.batch.put(TCA_TBF_PRATE64, peak.bytesPerSecond);
    }
  }
}

std::optional<std::uint64_t> wide(Span options, std::uint16_t attribute) {
  return readAs<std::uint64_t>(findAttribute(options, attribute).value_or(Span()));
}

void decodeTbf(Span options, Map& into) {
  const auto parameters = readAs<tc_tbf_qopt>(findAttribute(options, TCA_TBF_PARMS).value_or(Span()));
  if (!parameters) {
    return;
  }
  const std::uint64_t rate = reportedRate(parameters->rate, wide(options, TCA_TBF_RATE64));
  into.set("rate", rate);
  into.set("burst", bytesWithin(parameters->buffer, rate));
  into.set("limit", parameters->limit);
  if (const std::uint64_t peak = reportedRate(parameters->peakrate, wide(options, TCA_TBF_PRATE64)); peak != 0) {
    into.set("peakRate", peak);
    into.set("mtu", bytesWithin(parameters->mtu, peak));
  }
}

}  // namespace

const TrafficKind tbfQdisc{"tbf", encodeTbf, decodeTbf};

}  // namespace vethwork
