#include "conntrack/connection.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <memory>

#include "netfilter/codec.h"
#include "netfilter/message.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

const Schema tupleAddresses{{"source", CTA_IP_V4_SRC, ipAddress()},
                            {"destination", CTA_IP_V4_DST, ipAddress()},
                            {"source", CTA_IP_V6_SRC, ipAddress(), Presence::alias},
                            {"destination", CTA_IP_V6_DST, ipAddress(), Presence::alias}};

const Schema tupleTransport{{"protocol", CTA_PROTO_NUM, enum8(connectionProtocols())},
                            {"sourcePort", CTA_PROTO_SRC_PORT, be16()},
                            {"destinationPort", CTA_PROTO_DST_PORT, be16()},
                            {"icmpId", CTA_PROTO_ICMP_ID, be16()},
                            {"icmpType", CTA_PROTO_ICMP_TYPE, u8()},
                            {"icmpCode", CTA_PROTO_ICMP_CODE, u8()},
                            {"icmpId", CTA_PROTO_ICMPV6_ID, be16(), Presence::alias},
                            {"icmpType", CTA_PROTO_ICMPV6_TYPE, u8(), Presence::alias},
                            {"icmpCode", CTA_PROTO_ICMPV6_CODE, u8(), Presence::alias}};

/// One direction of a connection. Decoded only.
class TupleCodec final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t, Encoder& to) const override {
    to.path.reject(value, "nothing: it is read-only");
  }

  [[nodiscard]] Value decode(Span payload) const override {
    Map tuple;
    tupleAddresses.decode(findAttribute(payload, CTA_TUPLE_IP).value_or(Span()), tuple);
    tupleTransport.decode(findAttribute(payload, CTA_TUPLE_PROTO).value_or(Span()), tuple);
    if (const auto zone = findAttribute(payload, CTA_TUPLE_ZONE)) {
      tuple.set("zone", be16()->decode(*zone));
    }
    return tuple;
  }
};

/// State and TCP options of both directions, without the mask that a writer adds. Decoded only.
class TcpFlagsCodec final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t, Encoder& to) const override {
    to.path.reject(value, "nothing: it is read-only");
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto flags = readAs<nf_ct_tcp_flags>(payload);
    return flags ? Value(static_cast<std::int64_t>(flags->flags)) : Value();
  }
};

const Schema tcpProgress{{"state", CTA_PROTOINFO_TCP_STATE, enum8(tcpStates())},
                         {"originalWindowScale", CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, u8()},
                         {"replyWindowScale", CTA_PROTOINFO_TCP_WSCALE_REPLY, u8()},
                         {"originalFlags", CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, std::make_shared<TcpFlagsCodec>()},
                         {"replyFlags", CTA_PROTOINFO_TCP_FLAGS_REPLY, std::make_shared<TcpFlagsCodec>()}};

/// Progress of a TCP connection; null for other protocols. Decoded only.
class ProgressCodec final : public Codec {
 public:
  void encode(const Value& value, std::uint16_t, Encoder& to) const override {
    to.path.reject(value, "nothing: it is read-only");
  }

  [[nodiscard]] Value decode(Span payload) const override {
    const auto tcp = findAttribute(payload, CTA_PROTOINFO_TCP);
    if (!tcp) {
      return {};
    }
    Map progress;
    tcpProgress.decode(*tcp, progress);
    return progress;
  }
};

const Schema connectionAttributes{
    {
        {"original", CTA_TUPLE_ORIG, std::make_shared<TupleCodec>()},
        {"reply", CTA_TUPLE_REPLY, std::make_shared<TupleCodec>()},
        {"status", CTA_STATUS, flagNames(connectionStates())},
        {"timeout", CTA_TIMEOUT, be32()},
        {"mark", CTA_MARK, be32()},
        {"zone", CTA_ZONE, be16()},
        {"id", CTA_ID, be32()},
        {"tcp", CTA_PROTOINFO, std::make_shared<ProgressCodec>()},
    },
    {CTA_HELP, CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY, CTA_USE, CTA_TUPLE_MASTER, CTA_SEQ_ADJ_ORIG, CTA_SEQ_ADJ_REPLY,
     CTA_SECCTX, CTA_TIMESTAMP, CTA_LABELS, CTA_SYNPROXY}};

}  // namespace

const EnumNames& connectionProtocols() {
  static const EnumNames words{{"icmp", IPPROTO_ICMP}, {"tcp", IPPROTO_TCP},       {"udp", IPPROTO_UDP},
                               {"gre", IPPROTO_GRE},   {"icmpv6", IPPROTO_ICMPV6}, {"sctp", IPPROTO_SCTP}};
  return words;
}

const EnumNames& connectionFamilies() {
  static const EnumNames words{{"ip", NFPROTO_IPV4}, {"ip6", NFPROTO_IPV6}};
  return words;
}

const EnumNames& connectionStates() {
  static const EnumNames words{{"expected", IPS_EXPECTED},
                               {"replied", IPS_SEEN_REPLY},
                               {"assured", IPS_ASSURED},
                               {"confirmed", IPS_CONFIRMED},
                               {"sourceNat", IPS_SRC_NAT},
                               {"destinationNat", IPS_DST_NAT},
                               {"sourceNatDone", IPS_SRC_NAT_DONE},
                               {"destinationNatDone", IPS_DST_NAT_DONE},
                               {"dying", IPS_DYING},
                               {"fixedTimeout", IPS_FIXED_TIMEOUT}};
  return words;
}

const EnumNames& tcpStates() {
  static const EnumNames words{{"none", TCP_CONNTRACK_NONE},
                               {"synSent", TCP_CONNTRACK_SYN_SENT},
                               {"synReceived", TCP_CONNTRACK_SYN_RECV},
                               {"established", TCP_CONNTRACK_ESTABLISHED},
                               {"finWait", TCP_CONNTRACK_FIN_WAIT},
                               {"closeWait", TCP_CONNTRACK_CLOSE_WAIT},
                               {"lastAck", TCP_CONNTRACK_LAST_ACK},
                               {"timeWait", TCP_CONNTRACK_TIME_WAIT},
                               {"close", TCP_CONNTRACK_CLOSE},
                               {"synSent2", TCP_CONNTRACK_SYN_SENT2}};
  return words;
}

void encodeConnectionDump(Batch& batch, std::uint8_t family, std::optional<std::uint32_t> mark) {
  beginNetfilter(batch, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
  if (mark) {
    batch.put(CTA_MARK, htonl(*mark));
    batch.put(CTA_MARK_MASK, ~std::uint32_t{0});
  }
}

Value decodeConnection(const Message& message) {
  const auto header = netfilterHeader(message, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
  if (!header) {
    return {};
  }
  Map connection{{"family", enumName(header->nfgen_family, connectionFamilies())}};
  connectionAttributes.decode(message.attributes<nfgenmsg>(), connection);
  return connection;
}

bool encodeDelete(const Message& report, Batch& batch) {
  const auto header = netfilterHeader(report, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW);
  const Span reported = report.attributes<nfgenmsg>();
  const auto tuple = findAttribute(reported, CTA_TUPLE_ORIG);
  if (!header || !tuple || tuple->empty()) {
    return false;
  }
  beginNetfilter(batch, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, header->nfgen_family);
  batch.put(CTA_TUPLE_ORIG | NLA_F_NESTED, *tuple);
  // The id protects a later connection with the same tuple.
  for (const std::uint16_t detail : {CTA_ZONE, CTA_ID}) {
    if (const auto payload = findAttribute(reported, detail)) {
      batch.put(detail, *payload);
    }
  }
  return true;
}

}  // namespace vethwork
