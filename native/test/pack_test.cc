#include "value/pack.h"

#include <doctest/doctest.h>

#include <limits>

#include "messages.h"

using namespace vethwork;
using vethwork::test::hex;
using vethwork::test::unhex;

namespace {

std::string packed(const Value& value) { return hex(pack(value)); }

/// Removes the blanks.
std::string same(std::string_view digits) { return hex(unhex(digits)); }

}  // namespace

// test/unit/kernel/unpack.test.ts reads the same bytes.
TEST_CASE("single values are packed") {
  CHECK(packed({}) == "00");
  CHECK(packed(false) == "01");
  CHECK(packed(true) == "02");
  CHECK(packed(-2) == same("03 feffffff"));
  CHECK(packed(std::int64_t{1} << 31) == same("04 000000000000e041"));
  CHECK(packed(0.5) == same("04 000000000000e03f"));
  CHECK(packed(-9007199254740991) == same("04 ffffffffffff3fc3"));
  CHECK(packed(std::int64_t{9007199254740992}) == same("05 0000000000002000"));
  CHECK(packed(~std::uint64_t{0}) == same("06 ffffffffffffffff"));
  CHECK(packed("é€") == same("07 00000000 05000000 c3a9e282ac"));
  CHECK(packed(Bytes{1, 255}) == same("08 02000000 01ff"));
  CHECK(packed(Unsupported{"a"}) == same("0b 00000000 01000000 61"));
}

TEST_CASE("each text is packed once, whether it names a property or is a value") {
  const Value value = List{Map{{"up", true}, {"name", "up"}}, Map{{"up", Value()}}};
  CHECK(packed(value) == same("09 02000000"
                              "0a 02000000 00000000 02000000 7570 02"
                              "01000000 04000000 6e616d65 07 00000000"
                              "0a 01000000 00000000 00"));
}
