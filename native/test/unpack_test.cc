#include "value/unpack.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "messages.h"

using namespace vethwork;
using vethwork::test::hex;
using vethwork::test::unhex;

namespace {

Value read(std::string_view digits) { return unpack(unhex(digits)); }

template <typename T>
T readAs(std::string_view digits) {
  const Value value = read(digits);
  REQUIRE(value.as<T>() != nullptr);
  return *value.as<T>();
}

}  // namespace

// test/unit/kernel/pack.test.ts writes the same bytes.
TEST_CASE("single values") {
  CHECK(read("00").isNull());
  CHECK_FALSE(readAs<bool>("01"));
  CHECK(readAs<bool>("02"));
  CHECK(readAs<std::int64_t>("03feffffff") == -2);
  CHECK(readAs<std::int64_t>("04000000000000e041") == std::int64_t{1} << 31);
  CHECK(readAs<double>("04000000000000e03f") == 0.5);
  CHECK(readAs<std::int64_t>("05ffffffffffffffff") == -1);
  CHECK(readAs<std::uint64_t>("06ffffffffffffffff") == ~std::uint64_t{0});
  CHECK(readAs<std::string>("070400000065746830") == "eth0");
  CHECK(readAs<std::string>("0705000000c3a9e282ac") == "é€");
  CHECK(hex(readAs<Bytes>("080200000001ff")) == "01ff");
  CHECK(readAs<Unsupported>("0b0a000000612066756e6374696f6e").description == "a function");
}

TEST_CASE("numbers that are no integers are unchanged") {
  CHECK(readAs<double>("040000000000000044") == 0x1p65);
  CHECK(readAs<double>("04000000000000f07f") > 1e308);
  CHECK(readAs<std::int64_t>("040000000000000080") == 0);
}

TEST_CASE("lists and maps; null in a map is an absent property") {
  const Value list = read("090200000003010000000701000000 61");
  REQUIRE(list.as<List>() != nullptr);
  REQUIRE(list.as<List>()->size() == 2);
  CHECK(*(*list.as<List>())[0].as<std::int64_t>() == 1);
  CHECK(*(*list.as<List>())[1].as<std::string>() == "a");

  const Value map = read("0a02000000 020000007570 02 030000006d7475 00");
  REQUIRE(map.as<Map>() != nullptr);
  CHECK(map.as<Map>()->entries().size() == 1);
  CHECK(*map.as<Map>()->find("up")->as<bool>());
}

TEST_CASE("malformed bytes are rejected") {
  const char* const broken[] = {"",       "0c",           "ff",         "03feff", "07040000006574",    "0705000000",
                                "090100", "09ffffffff00", "0a01000000", "0000",   "0a0100000001000000"};
  for (const char* digits : broken) {
    CAPTURE(digits);
    CHECK_THROWS_AS(read(digits), std::invalid_argument);
  }
  std::string nested;
  for (int depth = 0; depth < 1000; ++depth) {
    nested += "0901000000";
  }
  CHECK_THROWS_AS(read(nested + "00"), std::invalid_argument);
}
