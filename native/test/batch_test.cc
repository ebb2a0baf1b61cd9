#include "netlink/batch.h"

#include <doctest/doctest.h>

#include <string>

#include "messages.h"

using namespace vethwork;
using vethwork::test::hex;

TEST_CASE("a message is its header, its attributes and their padding") {
  Batch batch;
  batch.begin(16, NLM_F_CREATE | NLM_F_EXCL);
  batch.header(std::uint32_t{0x01020304});
  batch.put(1, std::uint8_t{7});
  batch.putText(2, "abc");
  batch.putText(3, "abcd");
  batch.putFlag(4);
  batch.seal(9);
  CHECK(hex(batch.bytes()) ==
        "34000000 10000506 09000000 00000000 "  // length, type, flags with NLM_F_ACK, sequence
        "04030201 "
        "05000100 07000000 "
        "08000200 61626300 "
        "09000300 61626364 00000000 "
        "04000400");
  CHECK(!batch.error());
}

TEST_CASE("messages are numbered, and only the last is acknowledged") {
  Batch batch;
  for (int count = 0; count < 3; ++count) {
    batch.begin(20, 0);
    batch.put(1, std::uint16_t{5});
  }
  CHECK(batch.size() == 3);
  batch.seal(0xfffffffe);
  const auto all = test::messages(batch);
  REQUIRE(all.size() == 3);
  CHECK(all[0].header.nlmsg_seq == 0xfffffffe);
  CHECK(all[1].header.nlmsg_seq == 0xffffffff);
  CHECK(all[2].header.nlmsg_seq == 0);
  CHECK((all[0].header.nlmsg_flags & NLM_F_ACK) == 0);
  CHECK((all[1].header.nlmsg_flags & NLM_F_ACK) == 0);
  CHECK((all[2].header.nlmsg_flags & NLM_F_ACK) != 0);
  CHECK(all[2].header.nlmsg_len == 24);
}

TEST_CASE("the last message with an outcome of its own is acknowledged") {
  Batch batch;
  batch.begin(1, 0, Batch::Answer::failure);
  batch.begin(2, 0);
  batch.begin(3, 0);
  batch.begin(4, 0, Batch::Answer::none);
  CHECK(batch.lastAnswered() == 2);
  batch.seal(1);
  const auto all = test::messages(batch);
  CHECK((all[2].header.nlmsg_flags & NLM_F_ACK) != 0);
  CHECK((all[3].header.nlmsg_flags & NLM_F_ACK) == 0);
}

TEST_CASE("nested attributes end with their scopes") {
  Batch batch;
  batch.begin(16, 0);
  {
    const auto outer = batch.nest(18, false);
    batch.putText(1, "x");
    const auto inner = batch.nest(2);
    batch.put(3, std::uint8_t{9});
  }
  batch.put(4, std::uint8_t{1});
  CHECK(hex(batch.bytes().subspan(NLMSG_HDRLEN)) ==
        "18001200 "
        "06000100 78000000 "
        "0c000280 05000300 09000000 "
        "05000400 01000000");
}

TEST_CASE("an attribute of 65535 bytes fits, a longer one is a sticky error") {
  Batch batch;
  batch.begin(16, 0);
  const Bytes most(65531, 1);
  batch.put(1, std::span<const std::uint8_t>(most));
  CHECK(!batch.error());
  const std::size_t before = batch.bytes().size();
  const Bytes more(65532, 1);
  batch.put(2, std::span<const std::uint8_t>(more));
  REQUIRE(batch.error());
  CHECK(*batch.error() == "an attribute of at most 65531 bytes");
  CHECK(batch.bytes().size() == before);

  batch.putText(3, std::string(70'000, 'x'));
  CHECK(*batch.error() == "an attribute of at most 65531 bytes");
}

TEST_CASE("a text, or nested attributes, that are too long") {
  Batch text;
  text.begin(16, 0);
  text.putText(1, std::string(65530, 'x'));
  CHECK(!text.error());
  text.putText(1, std::string(65531, 'x'));
  CHECK(*text.error() == "a text of at most 65530 bytes");

  Batch nested;
  nested.begin(16, 0);
  {
    const auto nest = nested.nest(1);
    const Bytes half(40'000, 1);
    nested.put(1, std::span<const std::uint8_t>(half));
    nested.put(2, std::span<const std::uint8_t>(half));
  }
  REQUIRE(nested.error());
  CHECK(*nested.error() == "nested attributes of at most 65531 bytes together");
}

TEST_CASE("a batch appends the messages of others") {
  const auto write = [](Batch& to, std::uint16_t type) {
    to.begin(type, 0, type == 17 ? Batch::Answer::none : Batch::Answer::own);
    to.put(1, std::uint8_t{1});
    to.putNamespace(2, "/run/netns/" + std::to_string(type));
  };
  Batch whole;
  Batch joined;
  for (const auto type : {std::uint16_t{16}, std::uint16_t{17}}) {
    write(whole, type);
    Batch part;
    write(part, type);
    joined.append(part);
  }
  CHECK(joined.size() == 2);
  CHECK(joined.lastAnswered() == 0);
  CHECK(!joined.error());
  REQUIRE(joined.slots().size() == 2);
  CHECK(joined.slots()[1].netns == "/run/netns/17");
  CHECK(joined.slots()[1].offset == whole.slots()[1].offset);
  whole.seal(5);
  joined.seal(5);
  CHECK(hex(joined.bytes()) == hex(whole.bytes()));
}

TEST_CASE("errors are appended too, and the first one is kept") {
  Batch wrong;
  wrong.begin(16, 0);
  wrong.putText(1, std::string(70'000, 'x'));
  Batch batch;
  batch.append(wrong);
  REQUIRE(batch.error());
  Batch other;
  other.begin(16, 0);
  const Bytes many(70'000);
  other.put(1, std::span<const std::uint8_t>(many));
  REQUIRE(other.error());
  batch.append(other);
  CHECK(*batch.error() == *wrong.error());
}

TEST_CASE("a namespace descriptor is written into its slot") {
  Batch batch;
  batch.begin(16, 0);
  batch.putNamespace(19, "/run/netns/a");
  batch.put(4, std::uint8_t{1});
  CHECK(hex(batch.bytes().subspan(NLMSG_HDRLEN)) == "08001300 ffffffff 05000400 01000000");
  batch.fill(0, 0x12);
  CHECK(hex(batch.bytes().subspan(NLMSG_HDRLEN)) == "08001300 12000000 05000400 01000000");
}
