#include <doctest/doctest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

#include "nftables/element.h"
#include "nftables/expression.h"
#include "nftables/nftables.h"
#include "nftables/objects.h"
#include "nftables/userdata.h"
#include "test/messages.h"

namespace vethwork {
namespace {

using test::hex;
using test::messages;
using test::unhex;

const NetlinkOperation& batchOperation() {
  const auto kinds = nftablesOperations();
  const auto found = std::ranges::find(kinds, "nftables.batch", &OperationKind::name);
  REQUIRE(found != kinds.end());
  return std::get<NetlinkOperation>(found->how);
}

Batch batchOf(List commands) { return test::encoded(batchOperation(), {{"commands", std::move(commands)}}); }

/// Payload of the message of one command.
std::string payloadOf(const Map& command) {
  const Batch batch = batchOf({command});
  const auto all = messages(batch);
  REQUIRE(all.size() == 3);
  return hex(all[1].payload);
}

Map in(std::string_view command, std::initializer_list<Entry> more) {
  Map map{{"command", command}, {"family", "ip"}, {"table", "t"}};
  for (const Entry& entry : more) {
    map.set(entry.key, entry.value);
  }
  return map;
}

Map ruleOf(const Map& expression) { return in("rule.add", {{"chain", "c"}, {"expressions", List{expression}}}); }

std::string refusedField(const Map& command) {
  try {
    (void)batchOf({command});
  } catch (const ValidationError& error) {
    return error.field();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("a batch is framed, and its last command is acknowledged") {
  const Batch batch = batchOf({Map{{"command", "table.add"}, {"family", "inet"}, {"name", "t"}},
                               Map{{"command", "table.delete"}, {"family", "inet"}, {"name", "t"}}});
  CHECK(hex(batch.bytes()) ==
        // NFNL_MSG_BATCH_BEGIN for subsystem 10
        "14000000 10000100 01000000 00000000 0000000a "
        // NFT_MSG_NEWTABLE, NLM_F_CREATE: family inet, NFTA_TABLE_NAME
        "1c000000 000a0104 02000000 00000000 01000000 06000100 74000000 "
        // NFT_MSG_DELTABLE, NLM_F_ACK
        "1c000000 020a0500 03000000 00000000 01000000 06000100 74000000 "
        // NFNL_MSG_BATCH_END
        "14000000 11000100 04000000 00000000 0000000a");
  CHECK(batch.lastAnswered() == 2);
  CHECK(batch.answer(0) == Batch::Answer::failure);
  CHECK(batch.answer(3) == Batch::Answer::none);
}

TEST_CASE("a chain on a hook") {
  const Map hook{{"type", "filter"}, {"hook", "forward"}, {"priority", -150}, {"policy", "drop"}};
  CHECK(payloadOf(in("chain.add", {{"name", "c"}, {"hook", hook}})) ==
        "02000000 06000100 74000000 06000300 63000000 "
        "14000480 08000100 00000002 08000200 ffffff6a "   // hook 2, priority -150
        "0b000700 66696c74 65720000 08000500 00000000");  // "filter", NF_DROP
}

TEST_CASE("a rule with its comment, as nft keeps it") {
  const Map rule = in("rule.add", {{"chain", "c"},
                                   {"comment", "why"},
                                   {"expressions", List{Map{{"expression", "immediate"}, {"verdict", "drop"}}}}});
  CHECK(payloadOf(rule) ==
        "02000000 06000100 74000000 06000200 63000000 "
        "0a000700 00047768 79000000 "  // type 0, 4 bytes
        "34000480 30000180 0e000100 696d6d65 64696174 65000000 "
        "1c000280 08000100 00000000 10000280 0c000280 08000100 00000000");
}

TEST_CASE("expressions of every kind are unchanged after encoding and decoding") {
  const Bytes four{1, 2, 3, 4};
  const List all{
      Map{{"expression", "payload"}, {"register", 1}, {"base", "network"}, {"offset", 16}, {"length", 4}},
      Map{{"expression", "meta"}, {"key", "iifname"}, {"register", 9}},
      Map{{"expression", "meta"}, {"key", "mark"}, {"sourceRegister", 1}},
      Map{{"expression", "ct"}, {"key", "direction"}, {"register", 1}},
      Map{{"expression", "cmp"}, {"register", 1}, {"operator", "neq"}, {"data", four}},
      Map{{"expression", "bitwise"},
          {"sourceRegister", 1},
          {"register", 1},
          {"length", 4},
          {"mask", four},
          {"xor", four}},
      Map{{"expression", "byteorder"},
          {"sourceRegister", 1},
          {"register", 1},
          {"operation", "hton"},
          {"length", 4},
          {"size", 4}},
      Map{{"expression", "lookup"}, {"set", "s"}, {"sourceRegister", 1}, {"invert", true}},
      Map{{"expression", "immediate"}, {"register", 1}, {"data", four}},
      Map{{"expression", "immediate"}, {"verdict", Map{{"goto", "c"}}}},
      Map{{"expression", "immediate"}, {"verdict", "return"}},
      Map{{"expression", "nat"}, {"type", "snat"}, {"family", "ip6"}, {"addressRegister", 1}, {"persistent", true}},
      Map{{"expression", "masquerade"}, {"random", true}, {"fullyRandom", true}},
      Map{{"expression", "redirect"}, {"portRegister", 2}},
      Map{{"expression", "counter"}, {"bytes", 7}, {"packets", 1}},
      Map{{"expression", "limit"}, {"rate", 10}, {"unit", "minute"}, {"burst", 5}, {"type", "bytes"}, {"invert", true}},
      Map{{"expression", "connlimit"}, {"count", 4}, {"invert", true}},
      Map{{"expression", "log"}, {"prefix", "p"}, {"level", 6}},
      Map{{"expression", "reject"}, {"type", "icmpx-unreachable"}, {"code", 1}},
      Map{{"expression", "fib"}, {"register", 1}, {"result", "type"}, {"flags", List{"daddr", "iif"}}},
      Map{{"expression", "opaque"}, {"name", "osf"}, {"data", four}},
  };
  Batch batch = batchOf({in("rule.add", {{"chain", "c"}, {"expressions", all}})});
  const auto list = findAttribute(messages(batch)[1].attributes<nfgenmsg>(), NFTA_RULE_EXPRESSIONS);
  REQUIRE(list);
  const List read = decodeExpressions(*list);
  REQUIRE(read.size() == all.size());
  for (std::size_t index = 0; index < all.size(); ++index) {
    // Encoding the decoded expressions gives the same bytes.
    CAPTURE(index);
    CHECK(payloadOf(ruleOf(*read[index].as<Map>())) == payloadOf(ruleOf(*all[index].as<Map>())));
    CHECK(read[index].as<Map>()->entries().size() == all[index].as<Map>()->entries().size());
  }
}

TEST_CASE("a map has the type numbers of nft") {
  CHECK(payloadOf(in("set.add", {{"name", "m"}, {"keyType", "mark"}, {"dataType", "ipv4_addr . inet_service"}})) ==
        "02000000 06000100 74000000 06000200 6d000000 "
        "08000600 000001cd 08000700 00000008 "   // 7 << 6 | 13, 8 bytes
        "08000300 00000008 "                     // NFT_SET_MAP
        "08000400 00000013 08000500 00000004 "   // mark, 4 bytes
        "08000a00 00000002 "                     // id
        "10000d00 00040100 00000104 00000000");  // the key is in host order, the data in none
}

TEST_CASE("an interval is two elements, an open one is one") {
  const Map element{{"key", "10.0.0.0"}, {"keyEnd", "10.0.0.255"}};
  const Map open{{"key", "255.0.0.0"}, {"keyEnd", "255.255.255.255"}};
  const Map command = in(
      "element.add", {{"set", "s"}, {"keyType", "ipv4_addr"}, {"interval", true}, {"elements", List{element, open}}});
  CHECK(payloadOf(command) ==
        "02000000 06000100 74000000 06000200 73000000 "
        "3c000380 10000180 0c000180 08000100 0a000000 "
        "18000180 0c000180 08000100 0a000100 08000300 00000001 "  // NFT_SET_ELEM_INTERVAL_END
        "10000180 0c000180 08000100 ff000000");
}

TEST_CASE("parts of a concatenation are aligned to four bytes") {
  Path path;
  const NftType type = NftType::parse("inet_service . ether_addr . mark", path);
  CHECK(type.number() == ((13u << 6 | 9u) << 6 | 19u));
  CHECK(type.size() == 16);
  const Value value = List{443, "02:00:00:bd:cd:9b", 1};
  CHECK(hex(type.encode(value, path)) == "01bb0000 020000bd cd9b0000 01000000");
  CHECK(hex(type.encode(value, path, NftType::Use::interval)) == "01bb0000 020000bd cd9b0000 00000001");
  const Value read = type.decode(type.encode(value, path));
  REQUIRE(read.as<List>() != nullptr);
  CHECK(*read.as<List>()->at(1).as<std::string>() == "02:00:00:bd:cd:9b");
  CHECK(NftType::of(type.number())->name() == "inet_service . ether_addr . mark");
  CHECK_FALSE(NftType::of(63));
  // Five parts use 30 bits. The rest is not a sixth part.
  CHECK_FALSE(NftType::of(0x871c71c7));
}

TEST_CASE("many elements are spread over messages whose lists stay below 64 KiB") {
  List elements;
  for (int index = 0; index < 20000; ++index) {
    elements.emplace_back(Map{{"key", index}, {"data", index}});
  }
  const Batch batch = batchOf({in(
      "element.add", {{"set", "s"}, {"keyType", "mark"}, {"dataType", "mark"}, {"elements", std::move(elements)}})});
  CHECK_FALSE(batch.error());
  CHECK(batch.size() > 10);
  ElementTypes types;
  Path path;
  types.key = NftType::parse("mark", path);
  types.data = types.key;
  ElementList list(types);
  for (const Message& message : messages(batch)) {
    CHECK(message.payload.size() < 65536);
    list.add(message);
  }
  CHECK(list.finish({}).size() == 20000);
}

TEST_CASE("listed halves of intervals are joined, whatever their order") {
  Path path;
  ElementTypes types;
  types.key = NftType::parse("inet_service", path);
  types.isInterval = true;
  // 0 (end, of nothing), 10 to 19, 20, 65535: in the order of a tree.
  const Map elements =
      in("element.add", {{"set", "s"},
                         {"keyType", "inet_service"},
                         {"interval", true},
                         {"elements", List{Map{{"key", 65535}}, Map{{"key", 20}}, Map{{"key", 10}, {"keyEnd", 19}}}}});
  const Batch batch = batchOf({elements});
  ElementList list(types);
  list.add(messages(batch)[1]);
  const List joined = list.finish({});
  REQUIRE(joined.size() == 3);
  CHECK(*joined[0].as<Map>()->find("key")->as<std::int64_t>() == 10);
  CHECK(*joined[0].as<Map>()->find("keyEnd")->as<std::int64_t>() == 19);
  CHECK(*joined[1].as<Map>()->find("key")->as<std::int64_t>() == 20);
  CHECK(joined[1].as<Map>()->find("keyEnd") == nullptr);
  CHECK(*joined[2].as<Map>()->find("key")->as<std::int64_t>() == 65535);
}

TEST_CASE("deleting a rule requires its handle: the kernel would delete all rules") {
  CHECK(refusedField(in("rule.delete", {{"chain", "c"}})) == "commands[0].handle");
}

TEST_CASE("bad values are refused with their path") {
  CHECK(refusedField({{"command", "table.drop"}}) == "commands[0].command");
  CHECK(refusedField(in("set.add", {{"name", "s"}, {"keyType", "ipv4_addr.mark"}})) == "commands[0].keyType");
  CHECK(refusedField(ruleOf({{"expression", "meta"}, {"key", "mark"}, {"register", 24}})) ==
        "commands[0].expressions[0].register");
  CHECK(refusedField(ruleOf({{"expression", "immediate"}, {"verdict", Map{{"jump", "a"}, {"goto", "b"}}}})) ==
        "commands[0].expressions[0].verdict");
  CHECK(
      refusedField(in("element.add",
                      {{"set", "s"}, {"keyType", "mark"}, {"elements", List{Map{{"key", std::int64_t{1} << 32}}}}})) ==
      "commands[0].elements[0].key");
}

TEST_CASE("a message names its command") {
  const Map arguments{{"commands", List{Map{{"command", "table.add"}, {"family", "ip"}, {"name", "t"}},
                                        in("chain.add", {{"name", "c"}})}}};
  const auto describe = batchOperation().describe;
  REQUIRE((describe != nullptr));
  CHECK(describe(arguments, 0) == "the batch as a whole");
  CHECK(describe(arguments, 2) == "commands[1] chain.add ip t c");
}

TEST_CASE("truncated user data is read within its bounds") {
  CHECK_FALSE(UserData::find(Bytes{0, 4, 'a', 'b'}, 0));
  CHECK_FALSE(UserData::find(Bytes{0}, 0));
  CHECK(UserData::find(Bytes{1, 1, 'a', 0, 2, 'b', 0}, 0)->size() == 2);
}

}  // namespace vethwork
