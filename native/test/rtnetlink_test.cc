#include <doctest/doctest.h>

#include <array>
#include <string>

#include "captured.h"
#include "engine/operation.h"
#include "messages.h"

using namespace vethwork;
using vethwork::test::hex;
using vethwork::test::unhex;
namespace captured = vethwork::test::captured;

namespace {

const NetlinkOperation& operation(std::string_view name) {
  const OperationKind* kind = findOperation(name);
  REQUIRE(kind != nullptr);
  return std::get<NetlinkOperation>(kind->how);
}

std::string encoded(std::string_view name, const Map& arguments) {
  return hex(test::encoded(operation(name), arguments).bytes());
}

std::string refusedField(std::string_view name, const Map& arguments) {
  try {
    (void)test::encoded(operation(name), arguments);
  } catch (const ValidationError& error) {
    return error.field();
  }
  return "accepted";
}

Map decoded(std::string_view list, std::string_view bytes) {
  const Bytes datagram = unhex(bytes);
  MessageReader reader(datagram);
  const auto message = reader.next();
  REQUIRE(message);
  const Value value = operation(list).decode(*message);
  REQUIRE(value.as<Map>() != nullptr);
  return *value.as<Map>();
}

std::string textOf(const Map& map, std::string_view key) {
  const Value* value = map.find(key);
  return value != nullptr && value->as<std::string>() != nullptr ? *value->as<std::string>() : "none";
}

std::int64_t number(const Map& map, std::string_view key) {
  const Value* value = map.find(key);
  return value != nullptr && value->as<std::int64_t>() != nullptr ? *value->as<std::int64_t>() : -1;
}

bool isTrue(const Map& map, std::string_view key) {
  const Value* value = map.find(key);
  return value != nullptr && value->as<bool>() != nullptr && *value->as<bool>();
}

const Map& part(const Map& map, std::string_view key) {
  const Value* value = map.find(key);
  REQUIRE(value != nullptr);
  REQUIRE(value->as<Map>() != nullptr);
  return *value->as<Map>();
}

}  // namespace

TEST_CASE("a veth with a peer in another namespace is one message") {
  const Map link{{"kind", "veth"},
                 {"name", "veth-e2300f-o"},
                 {"index", 0x40000001},
                 {"mtu", 8900},
                 {"master", 7},
                 {"up", true},
                 {"data", Map{{"peer", Map{{"name", "veth-e2300f-i"}, {"index", 0x40000002}, {"netns", "vwt"}}}}}};
  CHECK(encoded("link.add", Map{{"link", link}}) ==
        "88000000 10000506 01000000 00000000 "           // RTM_NEWLINK, REQUEST ACK EXCL CREATE
        "00000000 01000040 01000000 01000000 "           // ifi_index chosen, IFF_UP set
        "12000300 76657468 2d653233 3030662d 6f000000 "  // IFLA_IFNAME
        "08000400 c4220000 "                             // IFLA_MTU
        "08000a00 07000000 "                             // IFLA_MASTER
        "44001280 "                                      // IFLA_LINKINFO
        "09000100 76657468 00000000 "                    // IFLA_INFO_KIND
        "34000280 30000180 "                             // IFLA_INFO_DATA, VETH_INFO_PEER
        "00000000 02000040 00000000 00000000 "           // the peer's ifinfomsg
        "12000300 76657468 2d653233 3030662d 69000000 "  // its name
        "08001c00 ffffffff");                            // IFLA_NET_NS_FD, as the checker opens none
}

TEST_CASE("a vxlan's addresses have an attribute for each family, its ports the network's byte order") {
  const auto vxlan = [](Map data) {
    data.set("id", 0xe2300f);
    const std::string bytes =
        encoded("link.add", Map{{"link", Map{{"kind", "vxlan"}, {"name", "v"}, {"data", std::move(data)}}}});
    return bytes.substr(bytes.find("6e000000") + 9);  // behind the kind's name
  };
  CHECK(vxlan(Map{{"local", "192.0.2.1"}, {"port", 4789}, {"learning", false}}) ==
        "24000280 08000100 0f30e200 08000400 c0000201 06000f00 12b50000 05000700 00000000");
  CHECK(vxlan(Map{{"remote", "fd00::1"}, {"portRange", Map{{"low", 1}, {"high", 2}}}}) ==
        "28000280 08000100 0f30e200 14001000 fd000000 00000000 00000000 00000001 08000a00 00010002");
}

TEST_CASE("a bridge's times are in hundredths of a second") {
  const Map data{{"ageingTime", 300}, {"forwardDelay", 0.5}, {"multicastSnooping", false}};
  const std::string bytes = encoded("link.add", Map{{"link", Map{{"kind", "bridge"}, {"name", "b"}, {"data", data}}}});
  CHECK(bytes.ends_with("1c000280 08000100 32000000 08000400 30750000 05001700 00000000"));
}

TEST_CASE("links are changed, deleted and queried") {
  CHECK(encoded("link.set", Map{{"link", Map{{"index", 5}}}, {"changes", Map{{"up", false}, {"master", 0}}}}) ==
        "28000000 10000500 01000000 00000000 00000000 05000000 00000000 01000000 08000a00 00000000");
  CHECK(encoded("link.set", Map{{"link", Map{{"name", "a"}}}, {"changes", Map{{"inet", Map{{"rpFilter", 2}}}}}}) ==
        "3c000000 10000500 01000000 00000000 00000000 00000000 00000000 00000000 06000300 61000000 "
        "14001a80 10000280 0c000180 08000800 02000000");
  CHECK(encoded("link.delete", Map{{"link", Map{{"group", 0x76657468}}}}) ==
        "28000000 11000500 01000000 00000000 00000000 00000000 00000000 00000000 08001b00 68746576");
  // RTM_SETLINK: the kernel ignores port options in RTM_NEWLINK.
  CHECK(encoded("link.port", Map{{"index", 5}, {"port", Map{{"isolated", true}}}}) ==
        "2c000000 13000500 01000000 00000000 07000000 05000000 00000000 00000000 0c000c80 05002100 01000000");
  CHECK(encoded("link.get", Map{{"link", Map{{"name", "a"}}}}) ==
        "30000000 12000500 01000000 00000000 00000000 00000000 00000000 00000000 06000300 61000000 "
        "08001d00 08000000");
  CHECK(encoded("link.list", Map{}) ==
        "28000000 12000503 01000000 00000000 00000000 00000000 00000000 00000000 08001d00 08000000");
}

TEST_CASE("addresses") {
  CHECK(encoded("address.add", Map{{"address", Map{{"index", 5}, {"address", "172.16.0.1/24"}}}}) ==
        "28000000 14000506 01000000 00000000 02180000 05000000 08000200 ac100001 08000100 ac100001");
  CHECK(
      encoded("address.add",
              Map{{"mode", "replace"},
                  {"address", Map{{"index", 5}, {"address", "fd00::1/64"}, {"nodad", true}, {"validLifetime", 60}}}}) ==
      "5c000000 14000505 01000000 00000000 0a400000 05000000 "
      "14000200 fd000000 00000000 00000000 00000001 14000100 fd000000 00000000 00000000 00000001 "
      "08000800 02000000 14000600 ffffffff 3c000000 00000000 00000000");
  CHECK(encoded("address.delete",
                Map{{"address", Map{{"index", 5}, {"address", "10.0.0.1/32"}, {"peer", "10.0.0.2"}}}}) ==
        "28000000 15000500 01000000 00000000 02200000 05000000 08000200 0a000001 08000100 0a000002");
}

TEST_CASE("routes") {
  CHECK(encoded("route.add",
                Map{{"route", Map{{"destination", "default"}, {"gateway", "192.168.15.1"}, {"index", 5}}}}) ==
        "34000000 18000506 01000000 00000000 02000000 00040001 00000000 "
        "08000400 05000000 08000500 c0a80f01 08000f00 fe000000");
  CHECK(encoded("route.add", Map{{"route", Map{{"destination", "192.168.15.29/32"}, {"index", 5}, {"table", 300}}}}) ==
        "34000000 18000506 01000000 00000000 02200000 0004fd01 00000000 "
        "08000100 c0a80f1d 08000400 05000000 08000f00 2c010000");
  CHECK(encoded("route.add",
                Map{{"route", Map{{"destination", "10.0.0.0/8"},
                                  {"mtu", 1400},
                                  {"nextHops", List{Map{{"index", 5}, {"gateway", "10.1.0.1"}, {"weight", 3}},
                                                    Map{{"index", 6}}}}}}}) ==
        "54000000 18000506 01000000 00000000 02080000 00040001 00000000 "
        "08000100 0a000000 08000f00 fe000000 0c000880 08000200 78050000 "
        "1c000900 10000002 05000000 08000500 0a010001 08000000 06000000");
  CHECK(encoded("route.delete", Map{{"route", Map{{"destination", "default"}, {"family", "inet6"}}}}) ==
        "24000000 19000500 01000000 00000000 0a000000 0000ff00 00000000 08000f00 fe000000");
}

TEST_CASE("rules and neighbours") {
  CHECK(encoded("rule.add",
                Map{{"rule", Map{{"priority", 500}, {"mark", 7}, {"table", 300}, {"source", "10.0.0.0/8"}}}}) ==
        "3c000000 20000506 01000000 00000000 02000800 00000001 00000000 "
        "08000200 0a000000 08000600 f4010000 08000f00 2c010000 08000a00 07000000");
  const Map vtep{{"family", "bridge"},
                 {"index", 5},
                 {"address", "00:00:00:00:00:00"},
                 {"destination", "192.0.2.2"},
                 {"self", true}};
  CHECK(encoded("neighbour.add", Map{{"mode", "append"}, {"neighbour", vtep}}) ==
        "30000000 1c00050c 01000000 00000000 07000000 05000000 80000200 08000100 c0000202 0a000200 00000000 00000000");
}

TEST_CASE("arguments that are missing or do not fit are named") {
  CHECK(refusedField("link.add", Map{}) == "link");
  CHECK(refusedField("link.add", Map{{"link", Map{{"kind", "bridge"}}}}) == "link.name");
  CHECK(refusedField("link.add", Map{{"link", Map{{"kind", "veth"}, {"name", "a"}}}}) == "link.data.peer");
  CHECK(refusedField("link.set", Map{{"link", Map{{"name", "a"}}}, {"changes", Map{{"name", "b"}}}}) == "link");
  CHECK(refusedField("link.delete", Map{{"link", Map{{"group", 0}}}}) == "link.group");
  CHECK(refusedField("link.delete", Map{{"link", Map{{"index", 1}, {"name", "a"}}}}) == "link.name");
  CHECK(refusedField("address.add", Map{{"address", Map{{"index", 5}, {"address", "10.0.0.1/8"}, {"peer", "::1"}}}}) ==
        "address.peer");
  CHECK(refusedField("route.add", Map{{"route", Map{{"destination", "10.0.0.0/8"}, {"gateway", "fd00::1"}}}}) ==
        "route.gateway");
  CHECK(refusedField("route.add",
                     Map{{"route", Map{{"destination", "10.0.0.0/8"}, {"nextHops", List{Map{{"index", 0}}}}}}}) ==
        "route.nextHops[0].index");
  CHECK(refusedField("rule.delete", Map{{"rule", Map{{"mark", 5}}}}) == "rule.priority");
  CHECK(refusedField("neighbour.add", Map{{"neighbour", Map{{"index", 5}}}}) == "neighbour.destination");
  CHECK(refusedField("neighbour.add", Map{{"undo", "replace"},
                                          {"neighbour", Map{{"index", 5}, {"destination", "10.0.0.1"}}}}) == "undo");
  CHECK(refusedField("route.add", Map{{"mode", "guess"}, {"route", Map{}}}) == "mode");
  CHECK(findOperation("link.paint") == nullptr);
}

TEST_CASE("captured links are read") {
  const Map bridge = decoded("link.list", captured::bridgeLink);
  CHECK(textOf(bridge, "name") == "br0");
  CHECK(number(bridge, "index") == 50);
  CHECK(textOf(bridge, "address") == "02:00:00:00:00:50");
  CHECK(isTrue(bridge, "up"));
  CHECK(textOf(bridge, "kind") == "bridge");
  CHECK(isTrue(part(bridge, "data"), "stp"));
  CHECK(number(part(bridge, "data"), "ageingTime") == 300);
  CHECK(number(part(bridge, "data"), "priority") == 32768);

  const Map veth = decoded("link.list", captured::vethLink);
  CHECK(textOf(veth, "kind") == "veth");
  CHECK(number(veth, "mtu") == 1400);
  CHECK(number(veth, "master") == 50);
  CHECK(number(veth, "link") == 52);
  CHECK(textOf(veth, "portKind") == "bridge");
  CHECK(isTrue(part(veth, "port"), "learning"));
  CHECK(!isTrue(part(veth, "port"), "isolated"));

  const Map vxlan = decoded("link.list", captured::vxlanLink);
  CHECK(number(part(vxlan, "data"), "id") == 14823439);
  CHECK(textOf(part(vxlan, "data"), "local") == "192.0.2.1");
  CHECK(number(part(vxlan, "data"), "port") == 4789);
  CHECK(number(part(vxlan, "data"), "ttl") == 9);
  CHECK(!isTrue(part(vxlan, "data"), "learning"));
  CHECK(!isTrue(vxlan, "up"));
}

TEST_CASE("captured addresses, routes, rules and neighbours are read") {
  const Map four = decoded("address.list", captured::address4);
  CHECK(textOf(four, "address") == "10.0.0.1/24");
  CHECK(textOf(four, "broadcast") == "10.0.0.255");
  CHECK(textOf(four, "scope") == "global");
  CHECK(four.find("peer") == nullptr);
  CHECK(four.find("validLifetime") == nullptr);
  const Map six = decoded("address.list", captured::address6);
  CHECK(textOf(six, "address") == "fd00::1/64");
  CHECK(isTrue(six, "nodad"));

  const Map blackhole = decoded("route.list", captured::blackholeRoute);
  CHECK(textOf(blackhole, "destination") == "198.51.100.0/24");
  CHECK(textOf(blackhole, "type") == "blackhole");
  CHECK(number(blackhole, "table") == 300);
  CHECK(number(blackhole, "metric") == 7);
  const Map multipath = decoded("route.list", captured::multipathRoute);
  const auto* hops = multipath.find("nextHops")->as<List>();
  REQUIRE(hops != nullptr);
  REQUIRE(hops->size() == 2);
  CHECK(textOf(*(*hops)[0].as<Map>(), "gateway") == "10.0.0.8");
  CHECK(number(*(*hops)[0].as<Map>(), "weight") == 3);
  CHECK(number(*(*hops)[1].as<Map>(), "weight") == 1);

  const Map rule = decoded("rule.list", captured::markRule);
  CHECK(number(rule, "priority") == 500);
  CHECK(number(rule, "mark") == 5);
  CHECK(number(rule, "mask") == 7);
  CHECK(textOf(rule, "source") == "10.0.0.0/8");
  CHECK(textOf(rule, "inputInterface") == "va");
  CHECK(number(rule, "table") == 300);

  const Map entry = decoded("neighbour.list", captured::forwardingEntry);
  CHECK(textOf(entry, "family") == "bridge");
  CHECK(textOf(entry, "destination") == "192.0.2.2");
  CHECK(textOf(entry, "state") == "permanent");  // and noarp besides, as bridge(8) writes it
  CHECK(number(entry, "vni") == 7);
  CHECK(number(entry, "port") == 4790);
  CHECK(isTrue(entry, "self"));
  const Map neighbour = decoded("neighbour.list", captured::neighbour);
  CHECK(textOf(neighbour, "destination") == "10.0.0.9");
  CHECK(textOf(neighbour, "address") == "02:00:00:00:00:09");
}

TEST_CASE("truncated messages are read within their bounds") {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> all{
      {{"link.list", captured::bridgeLink},
       {"link.list", captured::vxlanLink},
       {"address.list", captured::address6},
       {"route.list", captured::multipathRoute},
       {"rule.list", captured::markRule},
       {"neighbour.list", captured::forwardingEntry},
       {"link.list", captured::peerLink},
       {"route.list", captured::blackholeRoute}}};
  for (const auto& [list, bytes] : all) {
    CAPTURE(list);
    const Bytes whole = unhex(bytes);
    for (std::size_t length = NLMSG_HDRLEN; length < whole.size(); ++length) {
      // A heap block of this very size, so that a sanitizer sees the first byte beyond.
      Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      const auto narrow = static_cast<std::uint32_t>(length);
      std::memcpy(cut.data(), &narrow, sizeof narrow);
      MessageReader reader(cut);
      const auto message = reader.next();
      REQUIRE(message);
      (void)operation(list).decode(*message);
    }
    // Every length within claims something else, once too much and once nothing.
    for (std::size_t at = NLMSG_HDRLEN; at + 1 < whole.size(); at += 2) {
      for (const std::uint16_t claim : {std::uint16_t{0}, std::uint16_t{5}, std::uint16_t{0xffff}}) {
        Bytes odd = whole;
        std::memcpy(odd.data() + at, &claim, sizeof claim);
        MessageReader reader(odd);
        const auto message = reader.next();
        REQUIRE(message);
        (void)operation(list).decode(*message);
      }
    }
  }
}
