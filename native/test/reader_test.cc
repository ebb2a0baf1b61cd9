#include "netlink/reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace vethwork;

namespace {

/// Encodes one attribute: length and type in host byte order, value, padding.
std::vector<std::uint8_t> attribute(std::uint16_t length, std::uint16_t type, std::vector<std::uint8_t> value) {
  std::vector<std::uint8_t> bytes(4 + (value.size() + 3) / 4 * 4);
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + 2, &type, sizeof type);
  std::ranges::copy(value, bytes.begin() + 4);
  return bytes;
}

std::vector<std::uint8_t> joined(std::vector<std::uint8_t> left, const std::vector<std::uint8_t>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::vector<std::uint8_t> message(std::uint32_t claimedLength, std::size_t payloadSize) {
  nlmsghdr header{};
  header.nlmsg_len = claimedLength;
  header.nlmsg_type = 16;
  std::vector<std::uint8_t> bytes(sizeof header + payloadSize, 0xaa);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

}  // namespace

TEST_CASE("attributes are read one by one, without their padding") {
  const auto bytes = joined(attribute(5, 1, {7}), attribute(8, 2, {1, 2, 3, 4}));
  AttributeReader reader{bytes};
  const auto first = reader.next();
  REQUIRE(first);
  CHECK(first->type == 1);
  CHECK(first->payload.size() == 1);
  CHECK(first->payload[0] == 7);
  const auto second = reader.next();
  REQUIRE(second);
  CHECK(second->type == 2);
  CHECK(second->payload.size() == 4);
  CHECK_FALSE(reader.next());
}

TEST_CASE("the last attribute may lack its padding") {
  auto bytes = attribute(5, 1, {7});
  bytes.resize(5);
  AttributeReader reader{bytes};
  REQUIRE(reader.next());
  CHECK_FALSE(reader.next());
}

TEST_CASE("attributes that do not fit end the iteration") {
  for (const std::uint16_t length : std::vector<std::uint16_t>{0, 3, 9, 0xffff}) {
    CAPTURE(length);
    const auto bytes = attribute(length, 1, {1, 2, 3, 4});
    CHECK_FALSE(AttributeReader{bytes}.next());
  }
  const std::vector<std::uint8_t> stump{4, 0, 1};
  CHECK_FALSE(AttributeReader{stump}.next());
}

TEST_CASE("an attribute is found by its type") {
  const auto bytes = joined(attribute(5, 1, {7}), attribute(5, 3, {9}));
  REQUIRE(findAttribute(bytes, 3));
  CHECK((*findAttribute(bytes, 3))[0] == 9);
  CHECK_FALSE(findAttribute(bytes, 2));
}

TEST_CASE("messages are read one by one, and never past the end of the datagram") {
  const auto two = joined(message(20, 4), message(16, 0));
  MessageReader reader{two};
  const auto first = reader.next();
  REQUIRE(first);
  CHECK(first->payload.size() == 4);
  const auto second = reader.next();
  REQUIRE(second);
  CHECK(second->payload.empty());
  CHECK_FALSE(reader.next());

  for (const std::uint32_t claimed : {0u, 15u, 21u, 0xffffffffu}) {
    CAPTURE(claimed);
    const auto bytes = message(claimed, 4);
    CHECK_FALSE(MessageReader{bytes}.next());
  }
}

TEST_CASE("a value is read from a longer payload and not from a shorter one") {
  const std::vector<std::uint8_t> bytes{1, 0, 0, 0, 5};
  CHECK(readAs<std::uint32_t>(bytes) == 1u);
  CHECK_FALSE(readAs<std::uint64_t>(bytes));
}
