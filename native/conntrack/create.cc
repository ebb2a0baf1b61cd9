#include "conntrack/create.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "conntrack/connection.h"
#include "file/system_error.h"
#include "netfilter/message.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

/// Status bits that may be written. The kernel derives the others from the translation.
constexpr std::uint32_t writableStatus = IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT;

/// Maximum of connections in a send, so that it and its answers fit into the socket buffers.
constexpr std::size_t maximumCreations = 64;

constexpr std::array<std::string_view, 8> writtenProperties{"family",  "original", "reply", "status",
                                                            "timeout", "mark",     "zone",  "tcp"};

std::uint32_t statusOf(const Map& map, Path& path) {
  const Value* value = given(map, "status");
  if (value == nullptr) {
    return 0;
  }
  const auto scope = path.at("status");
  const auto* list = value->as<List>();
  if (list == nullptr) {
    path.reject(*value, "a list of names");
  }
  std::uint32_t bits = 0;
  for (const Value& name : *list) {
    bits |= word(string(name, path), path, connectionStates());
  }
  return bits & writableStatus;
}

std::uint8_t tcpNumber(const Map& map, std::string_view key, std::int64_t maximum, Path& path) {
  const Value* value = given(map, key);
  const auto scope = path.at(key);
  return value == nullptr ? std::uint8_t{0} : static_cast<std::uint8_t>(integer(*value, path, 0, maximum));
}

std::optional<TcpProgress> tcpOf(const Map& map, Path& path) {
  const Value* value = given(map, "tcp");
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto scope = path.at("tcp");
  const Map& tcp = object(*value, path);
  static constexpr std::array<std::string_view, 5> known{"state", "originalWindowScale", "replyWindowScale",
                                                         "originalFlags", "replyFlags"};
  for (const Entry& entry : tcp.entries()) {
    if (!entry.key.starts_with("attribute") && std::ranges::find(known, entry.key) == known.end()) {
      const auto place = path.at(entry.key);
      path.reject(entry.value, "no property of this name");
    }
  }
  TcpProgress progress;
  {
    const auto place = path.at("state");
    const std::uint32_t state = word(member(tcp, "state"), path, tcpStates());
    if (state > TCP_CONNTRACK_SYN_SENT2) {
      path.reject(member(tcp, "state"), "the name of a TCP state");
    }
    progress.state = static_cast<std::uint8_t>(state);
  }
  constexpr std::int64_t maximumScale = 14;
  progress.originalWindowScale = tcpNumber(tcp, "originalWindowScale", maximumScale, path);
  progress.replyWindowScale = tcpNumber(tcp, "replyWindowScale", maximumScale, path);
  progress.originalFlags = tcpNumber(tcp, "originalFlags", 0xff, path);
  progress.replyFlags = tcpNumber(tcp, "replyFlags", 0xff, path);
  return progress;
}

void encodeTcp(const TcpProgress& tcp, Batch& batch) {
  const auto protocol = batch.nest(CTA_PROTOINFO);
  const auto details = batch.nest(CTA_PROTOINFO_TCP);
  batch.put(CTA_PROTOINFO_TCP_STATE, tcp.state);
  batch.put(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, tcp.originalWindowScale);
  batch.put(CTA_PROTOINFO_TCP_WSCALE_REPLY, tcp.replyWindowScale);
  batch.put(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, nf_ct_tcp_flags{.flags = tcp.originalFlags, .mask = 0xff});
  batch.put(CTA_PROTOINFO_TCP_FLAGS_REPLY, nf_ct_tcp_flags{.flags = tcp.replyFlags, .mask = 0xff});
}

void putZone(const std::optional<std::uint16_t>& zone, Batch& batch) {
  if (zone) {
    batch.put(CTA_ZONE, htons(*zone));
  }
}

/// Deletes connections. Those that have ended are no errors.
void removeConnections(std::span<const NewConnection* const> connections, Exchange& exchange) {
  for (std::size_t from = 0; from < connections.size(); from += maximumCreations) {
    Batch batch;
    for (const NewConnection* connection :
         connections.subspan(from, std::min(maximumCreations, connections.size() - from))) {
      connection->encodeRemoval(batch);
    }
    (void)exchange.request(batch);
  }
}

}  // namespace

NewConnection NewConnection::parse(const Value& value, Path& path) {
  const Map& map = object(value, path);
  for (const Entry& entry : map.entries()) {
    const bool reported = entry.key == "id" || entry.key.starts_with("attribute");
    if (!reported && !entry.value.isNull() &&
        std::ranges::find(writtenProperties, entry.key) == writtenProperties.end()) {
      const auto scope = path.at(entry.key);
      path.reject(entry.value, "no property of this name");
    }
  }
  NewConnection connection;
  {
    const auto scope = path.at("original");
    connection.original = ConnectionTuple::parse(member(map, "original"), path);
  }
  {
    const auto scope = path.at("reply");
    connection.reply = ConnectionTuple::parse(member(map, "reply"), path);
    if (connection.reply.source.family() != connection.original.source.family() ||
        connection.reply.protocol != connection.original.protocol) {
      path.reject(member(map, "reply"), "the protocol and address family of `original`");
    }
  }
  if (const Value* family = given(map, "family")) {
    const auto scope = path.at("family");
    if (word(string(*family, path), path, connectionFamilies()) != connection.original.source.family()) {
      path.reject(*family, "the family of the addresses");
    }
  }
  connection.status = statusOf(map, path);
  {
    const auto scope = path.at("timeout");
    connection.timeout = static_cast<std::uint32_t>(integer(member(map, "timeout"), path, 0, 0x7fffffff));
  }
  if (const Value* mark = given(map, "mark")) {
    const auto scope = path.at("mark");
    connection.mark = static_cast<std::uint32_t>(integer(*mark, path, 0, 0xffffffff));
  }
  if (const Value* zone = given(map, "zone")) {
    const auto scope = path.at("zone");
    connection.zone = static_cast<std::uint16_t>(integer(*zone, path, 0, 0xffff));
  }
  connection.tcp = tcpOf(map, path);
  return connection;
}

void NewConnection::encode(Batch& batch) const {
  beginNetfilter(batch, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, original.source.family());
  original.encode(CTA_TUPLE_ORIG, batch);
  // The kernel applies the translation to the reply, and sets the status bits.
  const ConnectionTuple plain = original.translatedBack(reply);
  plain.encode(CTA_TUPLE_REPLY, batch);
  const auto isSame = [](const IpAddress& one, const IpAddress& other) {
    return std::ranges::equal(one.bytes(), other.bytes());
  };
  const bool translated = !isSame(plain.source, reply.source) || !isSame(plain.destination, reply.destination) ||
                          plain.sourcePort != reply.sourcePort || plain.destinationPort != reply.destinationPort ||
                          plain.icmpId != reply.icmpId;
  if (translated) {
    // Both, because the kernel chooses an end that is absent, and may choose another port.
    const bool icmp = reply.icmpId.has_value();
    encodeTranslation(CTA_NAT_DST, reply.source, icmp ? reply.icmpId : reply.sourcePort, batch);
    encodeTranslation(CTA_NAT_SRC, reply.destination, icmp ? reply.icmpId : reply.destinationPort, batch);
  }
  batch.put(CTA_STATUS, htonl(status | IPS_CONFIRMED));
  batch.put(CTA_TIMEOUT, htonl(timeout));
  if (mark) {
    batch.put(CTA_MARK, htonl(*mark));
  }
  putZone(zone, batch);
  if (tcp && original.protocol == IPPROTO_TCP) {
    encodeTcp(*tcp, batch);
  }
}

void NewConnection::encodeRemoval(Batch& batch) const {
  const auto remove = [&](const ConnectionTuple& tuple, std::uint16_t attribute) {
    beginNetfilter(batch, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, tuple.source.family());
    tuple.encode(attribute, batch);
    putZone(zone, batch);
  };
  remove(original, CTA_TUPLE_ORIG);
  remove(reply, CTA_TUPLE_REPLY);
}

void createConnections(std::span<const NewConnection> connections, bool replaces, Exchange& exchange) {
  int first = 0;
  std::size_t failures = 0;
  std::vector<const NewConnection*> created;
  for (std::size_t from = 0; from < connections.size(); from += maximumCreations) {
    const auto some = connections.subspan(from, std::min(maximumCreations, connections.size() - from));
    Batch batch;
    for (const NewConnection& connection : some) {
      if (replaces) {
        connection.encodeRemoval(batch);
      }
      connection.encode(batch);
    }
    const std::vector<Outcome> outcomes = exchange.request(batch);
    const std::size_t each = replaces ? 3 : 1;
    for (std::size_t message = 0; message < outcomes.size(); ++message) {
      const int error = outcomes[message].error;
      const bool isRemoval = message % each != each - 1;
      if (error != 0 && !(isRemoval && error == ENOENT)) {
        first = first == 0 ? error : first;
        ++failures;
      } else if (!replaces) {
        created.push_back(&some[message]);
      }
    }
  }
  if (first != 0) {
    // A request that fails leaves nothing behind.
    removeConnections(created, exchange);
    throwSystemError(first, std::to_string(failures) + " of " + std::to_string(connections.size()) + " connections");
  }
}

}  // namespace vethwork
