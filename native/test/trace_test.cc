#include "netlink/trace.h"

#include <doctest/doctest.h>

#include "captured.h"
#include "messages.h"

using namespace vethwork;

namespace {

std::string described(int protocol, const Bytes& bytes) {
  MessageReader reader(bytes);
  const auto message = reader.next();
  REQUIRE(message);
  return describeMessage(protocol, *message);
}

std::string of(std::string_view operation, const Map& arguments) {
  const Batch batch = test::encoded(std::get<NetlinkOperation>(findOperation(operation)->how), arguments);
  return describeMessage(NETLINK_ROUTE, test::messages(batch).front());
}

}  // namespace

TEST_CASE("requests are formatted with their attributes, text and nested ones included") {
  const Map link{{"kind", "veth"}, {"name", "outer"}, {"mtu", 1500}, {"data", Map{{"peer", Map{{"name", "inner"}}}}}};
  CHECK(of("link.add", Map{{"link", link}}) ==
        "RTM_NEWLINK seq 1 flags 0x605 header 00000000000000000000000000000000 3=\"outer\" 4=dc050000 "
        "18{1=\"veth\" 2{1=000000000000000000000000000000000a000300696e6e6572000000}}");
  CHECK(of("address.list", Map{}) == "RTM_GETADDR seq 1 flags 0x305 header 0000000000000000");
  CHECK(of("link.port", Map{{"index", 5}, {"port", Map{{"isolated", true}}}}) ==
        "RTM_SETLINK seq 1 flags 0x005 header 07000000050000000000000000000000 12{33=01}");
}

TEST_CASE("answers are formatted") {
  CHECK(described(NETLINK_ROUTE, test::unhex(test::captured::markRule))
            .starts_with("RTM_NEWRULE seq 1 flags 0x002 header "));
  CHECK(described(NETLINK_ROUTE,
                  test::unhex("24000000 02000001 07000000 00000000 00000000 14000000 10000506 07000000 00000000")) ==
        "answer seq 7 acknowledged");
  CHECK(described(NETLINK_ROUTE,
                  test::unhex("2c000000 02000003 07000000 00000000 efffffff 14000000 10000506 07000000 00000000 "
                              "08000100 6e6f2100")) == "answer seq 7 File exists 1=\"no!\"");
  CHECK(described(NETLINK_ROUTE, test::unhex("12000000 02000000 07000000 00000000 0000")) == "answer seq 7 truncated");
  CHECK(described(NETLINK_NETFILTER, test::unhex("14000000 030a0000 02000000 00000000 02000000")) ==
        "nftables 3 seq 2 flags 0x000 header 02000000");
  CHECK(described(NETLINK_NETFILTER, test::unhex("10000000 00010000 02000000 00000000")) ==
        "conntrack 0 seq 2 flags 0x000 header ");
}
