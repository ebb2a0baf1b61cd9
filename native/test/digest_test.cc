#include "value/digest.h"

#include <doctest/doctest.h>

using namespace vethwork;

namespace {

std::string whole(const Value& value) {
  const Map answer = digestOf(value, {});
  return *answer.find("digest")->as<std::string>();
}

List groups(const Value& value, const DigestSpec& spec) {
  const Map answer = digestOf(value, spec);
  return *answer.find("groups")->as<List>();
}

bool sameText(const Value& one, const Value& other) { return *one.as<std::string>() == *other.as<std::string>(); }

Map link(int index, const char* name) { return Map{{"index", index}, {"name", name}}; }

Map neighbour(const char* family, const char* state) {
  return Map{{"family", family}, {"index", 1}, {"state", state}, {"address", "02:00:00:00:00:01"}};
}

}  // namespace

TEST_CASE("equal values have equal digests, and others do not") {
  const Value value = List{link(1, "lo"), link(2, "eth0")};
  CHECK(whole(value) == whole(List{link(1, "lo"), link(2, "eth0")}));
  CHECK(whole(value).size() == 16);
  CHECK(whole(value) != whole(List{link(2, "eth0"), link(1, "lo")}));
  CHECK(whole(value) != whole(List{link(1, "lo"), link(2, "eth1")}));
  CHECK(whole(value) != whole(List{link(1, "lo")}));
  CHECK(whole(List{"ab", "c"}) != whole(List{"a", "bc"}));
  CHECK(whole(List{List{"a"}, "b"}) != whole(List{List{"a", "b"}}));
  CHECK(whole("1") != whole(1));
  CHECK(whole(false) != whole(Value()));
}

TEST_CASE("each group of objects has a digest of its own") {
  const DigestSpec spec{.by = {"index"}};
  const List before = groups(List{link(1, "lo"), link(2, "eth0"), link(1, "also")}, spec);
  const List after = groups(List{link(1, "lo"), link(2, "eth1"), link(1, "also")}, spec);
  REQUIRE(before.size() == 4);
  CHECK(*before[0].as<std::int64_t>() == 1);
  CHECK(sameText(before[1], after[1]));
  CHECK(!sameText(before[3], after[3]));
}

TEST_CASE("objects of a ruleset are grouped by table, and elements by the first part of their key") {
  const auto element = [](Value key) {
    return Map{{"object", "element"}, {"family", "bridge"}, {"table", "a"}, {"set", "b"}, {"key", std::move(key)}};
  };
  const List found = groups(List{Map{{"object", "table"}, {"family", "bridge"}, {"name", "a"}},
                                 Map{{"object", "set"}, {"family", "bridge"}, {"table", "a"}, {"name", "b"}},
                                 element("tap0"), element(7), element(List{"tap0", "02:00:00:00:00:01"})},
                            {.isRuleset = true});
  REQUIRE(found.size() == 6);
  CHECK(found[0].as<List>()->size() == 2);
  REQUIRE(found[2].as<List>()->size() == 3);
  CHECK(*found[2].as<List>()->back().as<std::string>() == "tap0");
  CHECK(*found[4].as<List>()->back().as<std::int64_t>() == 7);
}

TEST_CASE("what changes by itself does not count") {
  const auto rule = [](int packets) {
    return List{Map{{"object", "rule"},
                    {"expressions", List{Map{{"expression", "counter"}, {"packets", packets}, {"bytes", packets}}}}}};
  };
  CHECK(whole(rule(1)) == whole(rule(2)));
  const auto set = [](bool dynamic, const char* key) {
    return List{Map{{"object", "set"}, {"dynamic", dynamic}, {"elementCount", dynamic ? 1 : 2}},
                Map{{"object", "element"}, {"key", key}}};
  };
  CHECK(whole(set(true, "a")) == whole(set(true, "b")));
  CHECK(whole(set(false, "a")) != whole(set(false, "b")));
  CHECK(whole(List{neighbour("inet", "reachable")}) == whole(List{}));
  CHECK(whole(List{neighbour("inet", "noarp")}) == whole(List{}));
  CHECK(whole(List{neighbour("inet", "permanent")}) != whole(List{}));
  CHECK(whole(List{neighbour("bridge", "noarp")}) != whole(List{}));
}

TEST_CASE("a value is returned on request") {
  const Map answer = digestOf(List{1}, {.keepsValue = true});
  REQUIRE(answer.find("value") != nullptr);
  CHECK(answer.find("value")->as<List>()->size() == 1);
  CHECK(digestOf(List{1}, {}).find("value") == nullptr);
}
