#pragma once

#include "rtnetlink/traffic/kind.h"

namespace vethwork {

extern const TrafficKind ingressQdisc;
extern const TrafficKind tbfQdisc;

const TrafficKind* findQdiscKind(std::string_view name);

}  // namespace vethwork
