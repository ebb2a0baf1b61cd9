#include <linux/tc_act/tc_mirred.h>

#include <array>

#include "rtnetlink/action/kinds.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

const EnumNames mirredModes{{"redirect egress", TCA_EGRESS_REDIR},
                            {"mirror egress", TCA_EGRESS_MIRROR},
                            {"redirect ingress", TCA_INGRESS_REDIR},
                            {"mirror ingress", TCA_INGRESS_MIRROR}};

void encodeMirred(const Map& options, Encoder& to) {
  static const Schema known{};
  static constexpr std::array<std::string_view, 3> names{"kind", "mode", "index"};
  known.encode(options, to, names);
  tc_mirred parameters{};
  {
    const auto scope = to.path.at("mode");
    const Value* mode = given(options, "mode");
    parameters.eaction = mode == nullptr ? TCA_EGRESS_REDIR : static_cast<int>(word(*mode, to.path, mirredModes));
  }
  const bool redirects = parameters.eaction == TCA_EGRESS_REDIR || parameters.eaction == TCA_INGRESS_REDIR;
  parameters.action = redirects ? TC_ACT_STOLEN : TC_ACT_PIPE;
  parameters.ifindex = static_cast<std::uint32_t>(linkIndex(options, to.path));
  to.batch.put(TCA_MIRRED_PARMS, parameters);
}

void decodeMirred(Span options, Map& into) {
  if (const auto parameters = readAs<tc_mirred>(findAttribute(options, TCA_MIRRED_PARMS).value_or(Span()))) {
    into.set("mode", enumName(static_cast<std::uint32_t>(parameters->eaction), mirredModes));
    into.set("index", parameters->ifindex);
  }
}

}  // namespace

const TrafficKind mirredAction{"mirred", encodeMirred, decodeMirred};

}  // namespace vethwork
