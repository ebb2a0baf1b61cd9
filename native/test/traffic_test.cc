#include <doctest/doctest.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include <array>
#include <string>

#include "rtnetlink/traffic/rate.h"
#include "test/messages.h"

namespace vethwork {
namespace {

Batch encodedOf(std::string_view name, const Map& arguments) {
  const OperationKind* kind = findOperation(name);
  REQUIRE(kind != nullptr);
  return test::encoded(std::get<NetlinkOperation>(kind->how), arguments);
}

std::string payloadOf(const Batch& batch) {
  const auto all = test::messages(batch);
  REQUIRE(all.size() == 1);
  return test::hex(all.front().payload);
}

Map police() { return {{"kind", "police"}, {"rate", 1'000'000}, {"burst", 32 << 10}}; }

Map filterWith(Map action) {
  return {{"filter", Map{{"index", 5000},
                         {"priority", 3},
                         {"kind", "matchall"},
                         {"data", Map{{"actions", List{std::move(action)}}}}}}};
}

std::string refusedField(std::string_view name, const Map& arguments) {
  try {
    (void)encodedOf(name, arguments);
  } catch (const ValidationError& error) {
    return error.field();
  }
  return "nothing";
}

}  // namespace

// Kernels without CONFIG_NET_ACT_POLICE cannot tell whether they would take it.
TEST_CASE("a policing filter is what tc sends") {
  const std::string sent = payloadOf(encodedOf("filter.add", filterWith(police())));
  // tc 6.1, `filter add dev one ingress prio 3 protocol all matchall action police rate 8mbit burst 32kb drop`, as
  // strace shows it; only the flag of nested attributes (8 in the third digit of a word's second half) is added.
  const std::string header = "00000000 88130000 00000000 f2ffffff 00030300";
  const std::string kind = "0d000100 6d617463 68616c6c 00000000";
  const std::string nests = "5c040280 58040280 54040180 0b000100 706f6c69 63650000 44040280";
  const std::string parameters =
      "3c000100 00000000 02000000 00000000 00d00700 00000000 03010000 ffff0000 40420f00 00000000 00000000 00000000 "
      "00000000 00000000 00000000";
  const std::string table = "04040200 7d000000 fa000000 77010000 f4010000 71020000 ee020000 6b030000";
  const std::string expected = header + ' ' + kind + ' ' + nests + ' ' + parameters + ' ' + table;
  CHECK(sent.substr(0, expected.size()) == expected);
  CHECK(sent.substr(sent.size() - 26) == "067c0000 837c0000 007d0000");
}

TEST_CASE("rates beyond 32 bits have an attribute of their own") {
  const Rate wide{.bytesPerSecond = 5'000'000'000, .burst = 1 << 20};
  CHECK(wide.isWide());
  CHECK(wide.specification().rate == 0xffffffff);
  CHECK(reportedRate(wide.specification(), wide.bytesPerSecond) == 5'000'000'000);
  CHECK(bytesWithin(wide.ticks(), wide.bytesPerSecond) >= (1 << 20));
  const Rate narrow{.bytesPerSecond = 0xffffffff, .burst = 1};
  CHECK_FALSE(narrow.isWide());
}

TEST_CASE("an action reports its options") {
  const Batch batch = encodedOf("filter.add", filterWith(police()));
  Message message = test::messages(batch).front();
  message.header.nlmsg_type = RTM_NEWTFILTER;
  const Value value = std::get<NetlinkOperation>(findOperation("filter.list")->how).decode(message);
  const Map& filter = *value.as<Map>();
  CHECK(*filter.find("parent")->as<std::string>() == "ingress");
  CHECK(*filter.find("protocol")->as<std::string>() == "all");
  CHECK(*filter.find("priority")->as<std::int64_t>() == 3);
  const Map& action = *filter.find("data")->as<Map>()->find("actions")->as<List>()->front().as<Map>();
  CHECK(*action.find("rate")->as<std::int64_t>() == 1'000'000);
  CHECK(*action.find("burst")->as<std::int64_t>() == 32 << 10);
  CHECK(*action.find("exceeding")->as<std::string>() == "drop");
}

TEST_CASE("wrong values are refused by name") {
  const auto tbf = [](Map data) {
    return Map{{"qdisc", Map{{"index", 1}, {"kind", "tbf"}, {"data", std::move(data)}}}};
  };
  CHECK(refusedField("qdisc.add", tbf({{"burst", 1}, {"limit", 1}})) == "qdisc.data.rate");
  CHECK(refusedField("qdisc.add", tbf({{"rate", 0}, {"burst", 1}, {"limit", 1}})) == "qdisc.data.rate");
  CHECK(refusedField("qdisc.add", tbf({{"rate", 1}, {"burst", 1 << 20}, {"limit", 1}})) == "qdisc.data.burst");
  CHECK(refusedField("qdisc.add", tbf({{"rate", 1000}, {"burst", 10}})) == "qdisc.data.limit");
  CHECK(refusedField("qdisc.add", tbf({{"rate", 1000}, {"burst", 10}, {"limit", 1}, {"latency", 1}})) ==
        "qdisc.data.latency");
  CHECK(refusedField("qdisc.add", tbf({{"rate", 1000}, {"burst", 10}, {"latency", -0.5}})) == "qdisc.data.latency");
  CHECK(refusedField("qdisc.add", tbf({{"rate", 1000}, {"burst", 10}, {"limit", 1}, {"peakRate", 2000}})) ==
        "qdisc.data.mtu");
  CHECK(
      refusedField("qdisc.add", tbf({{"rate", 1000}, {"burst", 10}, {"limit", 1}, {"peakRate", 500}, {"mtu", 1500}})) ==
      "qdisc.data.peakRate");
  CHECK(refusedField("qdisc.add", tbf({{"rates", 1}})) == "qdisc.data.rates");
  CHECK(refusedField("qdisc.add", {{"qdisc", Map{{"index", 1}, {"kind", "cake"}}}}) == "qdisc.kind");
  CHECK(refusedField("qdisc.add", {{"qdisc", Map{{"index", 1}, {"kind", "ingress"}, {"handle", "x:"}}}}) ==
        "qdisc.handle");
  CHECK(refusedField("qdisc.add", {{"qdisc", Map{{"index", 1}, {"kind", "ingress"}, {"data", Map{{"rate", 1}}}}}}) ==
        "qdisc.data.rate");
  CHECK(refusedField("filter.add", filterWith({{"kind", "sing"}})) == "filter.data.actions[0].kind");
  CHECK(refusedField("filter.add", filterWith({{"kind", "mirred"}, {"index", 0}})) == "filter.data.actions[0].index");
  CHECK(refusedField("filter.delete", {{"filter", Map{{"index", 1}, {"priority", 0}}}}) == "filter.priority");
}

}  // namespace vethwork
