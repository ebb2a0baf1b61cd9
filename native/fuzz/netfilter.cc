// Property: all netfilter messages can be decoded (tables, chains, rules, sets, elements, named objects, connections),
// and decoded rules and connections can be encoded again.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <array>
#include <utility>

#include "conntrack/connection.h"
#include "conntrack/create.h"
#include "conntrack/filter.h"
#include "engine/event.h"
#include "fuzz/rewrite.h"
#include "nftables/element.h"
#include "nftables/objects.h"

using namespace vethwork;

namespace {

Message message(std::uint8_t subsystem, std::uint8_t type, Span payload) {
  nlmsghdr header{};
  header.nlmsg_type = static_cast<std::uint16_t>(subsystem << 8 | type);
  return {.header = header, .payload = payload};
}

void rewriteRule(const Map& rule) {
  Map command{{"command", "rule.add"}};
  for (const Entry& entry : rule.entries()) {
    if (entry.key != "object" && entry.key != "handle") {
      command.set(entry.key, entry.value);
    }
  }
  fuzz::rewrite("nftables.batch", Map{{"commands", List{command}}});
}

/// Writes a decoded connection again, alone and instead of another.
void rewriteConnection(const Value& listed) {
  Path path;
  try {
    const NewConnection connection = NewConnection::parse(listed, path);
    Batch batch;
    connection.encodeRemoval(batch);
    connection.encode(batch);
    fuzz::checkBatch(batch);
  } catch (const ValidationError&) {
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Span payload(data, size);
  constexpr std::array<std::pair<std::uint8_t, Value (*)(const Message&)>, 5> kinds{{{NFT_MSG_NEWTABLE, decodeTable},
                                                                                     {NFT_MSG_NEWCHAIN, decodeChain},
                                                                                     {NFT_MSG_NEWRULE, decodeRule},
                                                                                     {NFT_MSG_NEWSET, decodeSet},
                                                                                     {NFT_MSG_NEWOBJ, decodeObject}}};
  for (const auto& [type, decode] : kinds) {
    const Value object = decode(message(NFNL_SUBSYS_NFTABLES, type, payload));
    const auto* map = object.as<Map>();
    if (map != nullptr && type == NFT_MSG_NEWRULE) {
      rewriteRule(*map);
    }
    if (map != nullptr && type == NFT_MSG_NEWSET) {
      ElementList elements(ElementTypes::ofListed(*map));
      elements.add(message(NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWSETELEM, payload));
      (void)elements.finish(*map);
    }
  }
  // Elements do not contain the types of their set.
  const std::array<Map, 4> sets{Map{{"keyType", "ipv4_addr . ifname"}, {"dataType", "verdict"}, {"interval", true}},
                                Map{{"keyType", "mark"}, {"dataType", "ether_addr"}, {"interval", true}},
                                Map{{"keyType", "inet_service"}, {"dataType", "counter"}}, Map{{"keyType", 63}}};
  for (const Map& set : sets) {
    ElementList elements(ElementTypes::ofListed(set));
    elements.add(message(NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWSETELEM, payload));
    (void)elements.finish({});
  }
  const Message connection = message(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, payload);
  if (const Value listed = decodeConnection(connection); !listed.isNull()) {
    rewriteConnection(listed);
  }
  (void)decodeEvent(connection);
  (void)decodeEvent(message(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, payload));
  const ConnectionFilter filter{.endpoints = {{.address = IpAddress::parse("10.0.0.1")}}, .mark = 1, .zone = 1};
  (void)filter.matches(connection);
  Batch batch;
  (void)encodeDelete(connection, batch);
  return 0;
}
