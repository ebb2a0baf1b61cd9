#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <array>

#include "rtnetlink/object_operations.h"
#include "rtnetlink/objects.h"
#include "rtnetlink/qdisc/kinds.h"
#include "rtnetlink/traffic/handle.h"
#include "rtnetlink/traffic/statistics.h"
#include "rtnetlink/write_mode.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

const EnumNames qdiscParents{{"root", TC_H_ROOT}, {"ingress", TC_H_INGRESS}};

constexpr std::uint32_t ingressHandle = 0xffff0000;

/// Encodes the header: link, parent and handle. An ingress qdisc has fixed ones.
tcmsg qdiscHeader(const Map& qdisc, std::string_view kind, Path& path) {
  const bool ingress = kind == ingressQdisc.name;
  tcmsg message{};
  message.tcm_ifindex = linkIndex(qdisc, path);
  message.tcm_parent = trafficHandle(qdisc, "parent", ingress ? TC_H_INGRESS : TC_H_ROOT, path, qdiscParents);
  message.tcm_handle = trafficHandle(qdisc, "handle", ingress ? ingressHandle : 0, path);
  return message;
}

const std::string& kindName(const Map& qdisc, Path& path) {
  const auto scope = path.at("kind");
  return string(member(qdisc, "kind"), path);
}

void encodeAddQdisc(const Map& arguments, Encoder& to) {
  static const Schema known{};
  static const Map none;
  static constexpr std::array<std::string_view, 5> names{"index", "kind", "handle", "parent", "data"};
  const Map& qdisc = part(arguments, "qdisc", to.path);
  to.batch.begin(RTM_NEWQDISC, writeFlags(arguments, to.path));
  const auto scope = to.path.at("qdisc");
  known.encode(qdisc, to, names);
  const TrafficKind& kind = named(qdisc, "kind", findQdiscKind, "a known kind of queueing discipline", to.path);
  to.batch.header(qdiscHeader(qdisc, kind.name, to.path));
  to.batch.putText(TCA_KIND, kind.name);
  const Value* data = given(qdisc, "data");
  const auto field = to.path.at("data");
  const Map& values = data == nullptr ? none : object(*data, to.path);
  if (kind.encode == nullptr) {
    known.encode(values, to);
    return;
  }
  const auto options = to.batch.nest(TCA_OPTIONS);
  kind.encode(values, to);
}

void encodeDeleteQdisc(const Map& arguments, Encoder& to) {
  const Map& qdisc = part(arguments, "qdisc", to.path);
  const auto scope = to.path.at("qdisc");
  const std::string kind = given(qdisc, "kind") == nullptr ? std::string() : kindName(qdisc, to.path);
  to.batch.begin(RTM_DELQDISC, 0);
  to.batch.header(qdiscHeader(qdisc, kind, to.path));
}

void encodeListQdiscs(const Map&, Encoder& to) {
  to.batch.begin(RTM_GETQDISC, NLM_F_DUMP);
  to.batch.header(tcmsg{});
}

Value decodeQdisc(const Message& message) {
  const auto header = readAs<tcmsg>(message.payload);
  if (message.header.nlmsg_type != RTM_NEWQDISC || !header) {
    return {};
  }
  const Span rest = message.attributes<tcmsg>();
  const Value name = text(64)->decode(findAttribute(rest, TCA_KIND).value_or(Span()));
  Map qdisc{{"index", header->tcm_ifindex},
            {"kind", name},
            {"handle", formatTrafficHandle(header->tcm_handle)},
            {"parent", formatTrafficHandle(header->tcm_parent, qdiscParents)}};
  const TrafficKind* kind = findQdiscKind(*name.as<std::string>());
  if (const auto options = findAttribute(rest, TCA_OPTIONS); options && kind != nullptr && kind->decode != nullptr) {
    Map data;
    kind->decode(*options, data);
    qdisc.set("data", std::move(data));
  }
  if (const auto statistics = findAttribute(rest, TCA_STATS2)) {
    decodeTrafficStatistics(*statistics, qdisc);
  }
  return qdisc;
}

}  // namespace

OperationKinds qdiscOperations() {
  static const auto kinds = objectOperations({.name = "qdisc",
                                              .add = encodeAddQdisc,
                                              .remove = encodeDeleteQdisc,
                                              .list = encodeListQdiscs,
                                              .decode = decodeQdisc});
  return kinds;
}

}  // namespace vethwork
