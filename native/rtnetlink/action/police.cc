#include <linux/pkt_cls.h>

#include <array>

#include "rtnetlink/action/kinds.h"
#include "rtnetlink/traffic/rate.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

const EnumNames outcomes{{"drop", TC_POLICE_SHOT}, {"pass", TC_POLICE_OK}, {"continue", TC_POLICE_PIPE}};

std::uint32_t outcome(const Map& options, std::string_view key, std::uint32_t usual, Path& path) {
  const Value* value = given(options, key);
  const auto scope = path.at(key);
  return value == nullptr ? usual : word(*value, path, outcomes);
}

void encodePolice(const Map& options, Encoder& to) {
  static const Schema known{};
  static constexpr std::array<std::string_view, 6> names{"kind", "rate", "burst", "mtu", "exceeding", "conforming"};
  known.encode(options, to, names);
  const Rate rate = Rate::parse(options, "rate", "burst", to.path);
  tc_police parameters{};
  parameters.action = static_cast<int>(outcome(options, "exceeding", TC_POLICE_SHOT, to.path));
  parameters.rate = rate.specification();
  parameters.burst = rate.ticks();
  if (const Value* mtu = given(options, "mtu")) {
    const auto scope = to.path.at("mtu");
    parameters.mtu = static_cast<std::uint32_t>(integer(*mtu, to.path, 1, 0xffffffff));
  }
  to.batch.put(TCA_POLICE_TBF, parameters);
  to.batch.put(TCA_POLICE_RATE, rateTable(rate));
  if (rate.isWide()) {
    to.batch.put(TCA_POLICE_RATE64, rate.bytesPerSecond);
  }
  if (given(options, "conforming") != nullptr) {
    to.batch.put(TCA_POLICE_RESULT, outcome(options, "conforming", TC_POLICE_OK, to.path));
  }
}

void decodePolice(Span options, Map& into) {
  const auto parameters = readAs<tc_police>(findAttribute(options, TCA_POLICE_TBF).value_or(Span()));
  if (!parameters) {
    return;
  }
  const auto wide = readAs<std::uint64_t>(findAttribute(options, TCA_POLICE_RATE64).value_or(Span()));
  const std::uint64_t rate = reportedRate(parameters->rate, wide);
  into.set("rate", rate);
  into.set("burst", bytesWithin(parameters->burst, rate));
  into.set("mtu", parameters->mtu);
  into.set("exceeding", enumName(static_cast<std::uint32_t>(parameters->action), outcomes));
  if (const auto result = readAs<std::uint32_t>(findAttribute(options, TCA_POLICE_RESULT).value_or(Span()))) {
    into.set("conforming", enumName(*result, outcomes));
  }
}

}  // namespace

const TrafficKind policeAction{"police", encodePolice, decodePolice};

}  // namespace vethwork
