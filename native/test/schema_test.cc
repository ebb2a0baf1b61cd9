#include "schema/schema.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <limits>
#include <optional>

#include "messages.h"
#include "schema/address.h"
#include "schema/arguments.h"

using namespace vethwork;
using vethwork::test::hex;
using vethwork::test::unhex;

namespace {

const Schema innerSchema{{{"depth", 1, u8(0, 9)}, {"list", 2, bytes(4)}}};

const Schema testSchema{{
                            {"name", 1, interfaceName(), Presence::required},
                            {"mtu", 2, u32(68, 9000)},
                            {"port", 3, be16(1)},
                            {"signed", 4, i32(-5, 5)},
                            {"up", 5, boolean8()},
                            {"marked", 6, flag()},
                            {"note", 7, text(5, 1)},
                            {"mac", 8, mac()},
                            {"ip", 9, ipAddress()},
                            {"time", 10, centiseconds()},
                            {"mode", 11, enum8({{"one", 1}, {"two", 2}})},
                            {"within", 12, nested(innerSchema)},
                            {"state", 13, u8(), Presence::reported},
                            {"wide", 14, u64()},
                            {"own", 15, unicastMac()},
                        },
                        {99}};

struct Written {
  std::string bytes;
  std::optional<ValidationError> error;
};

Written write(const Map& values) {
  static constexpr std::array<std::string_view, 1> others{"other"};
  Batch batch;
  batch.begin(0, 0);
  Encoder encoder{.batch = batch};
  const auto operations = encoder.path.at("operations");
  const auto position = encoder.path.at("[2]");
  const auto link = encoder.path.at("link");
  try {
    testSchema.encode(values, encoder, others);
  } catch (const ValidationError& error) {
    return {{}, error};
  }
  return {hex(batch.bytes().subspan(NLMSG_HDRLEN)), {}};
}

/// Of the property that is not a name.
Written property(std::string_view key, Value value) {
  Map map{{"name", "a"}};
  map.set(key, std::move(value));
  return write(map);
}

void accepts(std::string_view key, Value value, std::string_view expected) {
  CAPTURE(key);
  const Written written = property(key, std::move(value));
  REQUIRE(!written.error);
  CHECK(written.bytes == "06000100 61000000" + (expected.empty() ? "" : ' ' + std::string(expected)));
}

void refuses(std::string_view key, Value value, std::string_view field = {}) {
  CAPTURE(key);
  const Written written = property(key, std::move(value));
  REQUIRE(written.error);
  CHECK(written.error->field() == "operations[2].link." + std::string(field.empty() ? key : field));
  CHECK(!written.error->expected().empty());
}

}  // namespace

TEST_CASE("values within their bounds are written") {
  accepts("mtu", 68, "08000200 44000000");
  accepts("mtu", 9000, "08000200 28230000");
  accepts("port", 4789, "06000300 12b50000");
  accepts("signed", -5, "08000400 fbffffff");
  accepts("up", true, "05000500 01000000");
  accepts("up", false, "05000500 00000000");
  accepts("marked", true, "04000600");
  accepts("note", "abcde", "0a000700 61626364 65000000");
  accepts("mac", "02:00:00:bd:CD:9b", "0a000800 020000bd cd9b0000");
  accepts("mac", "ff:ff:ff:ff:ff:ff", "0a000800 ffffffff ffff0000");
  accepts("ip", "172.16.0.1", "08000900 ac100001");
  accepts("ip", "fd00::1", "14000900 fd000000 00000000 00000000 00000001");
  accepts("time", 4, "08000a00 90010000");
  accepts("time", 4.56, "08000a00 c8010000");
  accepts("mode", "two", "05000b00 02000000");
  accepts("mode", 77, "05000b00 4d000000");
  accepts("wide", std::int64_t{1} << 40, "0c000e00 00000000 00010000");
  accepts("within", Map{{"depth", 3}, {"list", Bytes{1, 2}}}, "14000c80 05000100 03000000 06000200 01020000");
  accepts("other", "is the caller's business", "");
}

TEST_CASE("no value and no property are the same") {
  CHECK(write(Map{{"name", "a"}, {"mtu", Value()}, {"unknown", Value()}}).bytes == "06000100 61000000");
  const Written nameless = write(Map{{"name", Value()}});
  REQUIRE(nameless.error);
  CHECK(nameless.error->field() == "operations[2].link.name");
}

TEST_CASE("attributes are written in the order of the schema") {
  CHECK(write(Map{{"up", true}, {"mtu", 100}, {"name", "a"}}).bytes ==
        "06000100 61000000 08000200 64000000 05000500 01000000");
}

TEST_CASE("values out of bounds or of another type are refused with their path") {
  refuses("mtu", 67);
  refuses("mtu", 9001);
  refuses("mtu", 68.5);
  refuses("mtu", "68");
  refuses("mtu", true);
  refuses("mtu", List{68});
  refuses("mtu", std::numeric_limits<std::uint64_t>::max());
  refuses("port", 0);
  refuses("port", 65536);
  refuses("signed", -6);
  refuses("up", 1);
  refuses("marked", "yes");
  refuses("note", "");
  refuses("note", "abcdef");
  refuses("note", std::string("a\0b", 3));
  refuses("note", 5);
  refuses("mac", "02:00:00:bd:cd");
  refuses("own", "03:00:00:bd:cd:9b");
  refuses("own", "00:00:00:00:00:00");
  refuses("ip", "172.16.0.256");
  refuses("time", -0.01);
  refuses("time", 42'949'673);
  refuses("time", std::numeric_limits<double>::quiet_NaN());
  refuses("mode", "three");
  refuses("mode", -1);
  refuses("mode", 256);
  refuses("within", 5);
  refuses("within", Map{{"depth", 10}}, "within.depth");
  refuses("within", Map{{"breadth", 1}}, "within.breadth");
  refuses("within", Map{{"list", Bytes{1, 2, 3, 4, 5}}}, "within.list");
  refuses("mtu", Unsupported{"a function"});
}

TEST_CASE("unknown and reported properties are refused, whatever their value") {
  refuses("colour", 1);
  refuses("state", 1);
  CHECK(property("state", 1).error->expected() == "nothing: it is read-only");
  CHECK(property("colour", 1).error->expected() == "no property of this name");
}

TEST_CASE("an error holds the value that was refused") {
  const Written written = property("mtu", "many");
  REQUIRE(written.error);
  REQUIRE(written.error->value().as<std::string>() != nullptr);
  CHECK(*written.error->value().as<std::string>() == "many");
}

TEST_CASE("interface names are those that the kernel accepts") {
  for (const std::string name : {"a", "veth-e2300f-o", "123456789012345", "größe", "a.b", "..."}) {
    CAPTURE(name);
    CHECK(!write(Map{{"name", name}}).error);
  }
  for (const std::string name :
       {"", ".", "..", "1234567890123456", "a/b", "a b", "a:b", "a\tb", "a\nb", "veth%d", "a%"}) {
    CAPTURE(name);
    CHECK(write(Map{{"name", name}}).error);
  }
  CHECK(write(Map{{"name", std::string("a\0b", 3)}}).error);
}

TEST_CASE("decoded values equal the encoded ones; undecodable payloads are kept") {
  const Map values{{"name", "a"},     {"mtu", 100},     {"port", 4789},  {"signed", -5},
                   {"up", true},      {"marked", true}, {"note", "abc"}, {"mac", "02:00:00:bd:cd:9b"},
                   {"ip", "fd00::1"}, {"time", 4.56},   {"mode", "two"}, {"within", Map{{"depth", 3}}}};
  const Bytes bytes = unhex(write(values).bytes);
  Map read;
  testSchema.decode(bytes, read);
  REQUIRE(read.entries().size() == values.entries().size());
  for (const Entry& entry : read.entries()) {
    CAPTURE(entry.key);
    CHECK(values.find(entry.key) != nullptr);
  }
  Map again;
  again = read;
  CHECK(write(again).bytes == write(values).bytes);

  Map odd;
  // An MTU of two bytes, an address of five, an attribute that is skipped and one that nobody knows.
  testSchema.decode(unhex("06000200 01020000 09000900 01020304 05000000 05006300 01000000 06004d00 abcd0000 04004e00"),
                    odd);
  REQUIRE(odd.entries().size() == 4);
  CHECK(*odd.find("mtu")->as<Bytes>() == Bytes{1, 2});
  CHECK(*odd.find("ip")->as<Bytes>() == Bytes{1, 2, 3, 4, 5});
  CHECK(*odd.find("attribute77")->as<Bytes>() == Bytes{0xab, 0xcd});
  CHECK(odd.find("attribute78")->as<Bytes>()->empty());
}

TEST_CASE("MAC addresses") {
  CHECK(formatMac(*parseMac("02:00:00:bd:cd:9b")) == "02:00:00:bd:cd:9b");
  CHECK(formatMac(*parseMac("FF:FF:ff:ff:FF:FF")) == "ff:ff:ff:ff:ff:ff");
  for (const std::string_view text :
       {"", "02", "02:00:00:bd:cd", "02:00:00:bd:cd:9b:01", "02-00-00-bd-cd-9b", "2:0:0:bd:cd:9b", "02:00:00:bd:cd:9g",
        "02:00:00:bd:cd:-b", "02:00:00:bd:cd:+b", " 2:00:00:bd:cd:9b", "0x:00:00:bd:cd:9b", "02:00:00:bd:cd:9b "}) {
    CAPTURE(text);
    CHECK(!parseMac(text));
  }
}

TEST_CASE("IP addresses and prefixes") {
  Path path;
  const auto shown = [&](const char* text) {
    const IpPrefix parsed = prefix(text, path);
    return formatPrefix(parsed.address.text(), parsed.length);
  };
  CHECK(shown("10.0.0.1/8") == "10.0.0.1/8");
  CHECK(shown("10.0.0.1") == "10.0.0.1/32");
  CHECK(shown("0.0.0.0/0") == "0.0.0.0/0");
  CHECK(shown("FD00:0:0::1/64") == "fd00::1/64");
  CHECK(shown("::ffff:10.0.0.1") == "::ffff:10.0.0.1/128");
  for (const char* text : {"",
                           "/",
                           "/8",
                           "10.0.0.1/",
                           "10.0.0.1/33",
                           "10.0.0.1/-1",
                           "10.0.0.1/+8",
                           "10.0.0.1/8x",
                           "10.0.0.1/ 8",
                           "10.0.0.1/256",
                           "10.0.0.1/8/8",
                           "10.0.0",
                           "10.0.0.1.2",
                           "010.0.0.1",
                           "0x0a.0.0.1",
                           "fd00::1/129",
                           "fe80::1%lo",
                           "[::1]",
                           " 10.0.0.1",
                           "10.0.0.1 "}) {
    CAPTURE(text);
    CHECK_THROWS_AS((void)prefix(text, path), ValidationError);
  }
  CHECK_THROWS_AS((void)prefix(std::string("10.0.0.1\0/8", 11), path), ValidationError);
  CHECK_THROWS_AS((void)ip(std::string("10.0.0.1\0", 9), path), ValidationError);
  CHECK_THROWS_AS((void)ip("fd00::1", AF_INET, path), ValidationError);
  CHECK_THROWS_AS((void)ip(5, path), ValidationError);
  CHECK(!IpAddress::read(Bytes{1, 2, 3}));
  CHECK(IpAddress::read(Bytes{10, 0, 0, 1})->text() == "10.0.0.1");
}
