#include <arpa/inet.h>
#include <linux/pkt_cls.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>

#include "rtnetlink/filter/kinds.h"
#include "rtnetlink/traffic/actions.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {
namespace {

constexpr std::size_t maximumMatches = 128;

tc_u32_key parseMatch(const Value& value, Path& path) {
  const Map& match = object(value, path);
  const auto number = [&](std::string_view key, std::int64_t least, std::int64_t most) {
    const auto scope = path.at(key);
    return integer(member(match, key), path, least, most);
  };
  tc_u32_key key{};
  key.off = static_cast<int>(number("offset", std::numeric_limits<int>::min(), std::numeric_limits<int>::max()));
  key.mask = htonl(static_cast<std::uint32_t>(number("mask", 0, 0xffffffff)));
  // The kernel compares with the unmasked value.
  key.val = htonl(static_cast<std::uint32_t>(number("value", 0, 0xffffffff))) & key.mask;
  return key;
}

/// Matches 32-bit words at offsets of the packet. All must match; without any, every packet matches.
std::vector<tc_u32_key> parseMatches(const Map& options, Path& path) {
  const Value* value = given(options, "matches");
  if (value == nullptr) {
    return {tc_u32_key{}};
  }
  const auto scope = path.at("matches");
  const auto* list = value->as<List>();
  if (list == nullptr || list->empty() || list->size() > maximumMatches) {
    path.reject(*value, "a list of 1 to 128 matches");
  }
  std::vector<tc_u32_key> keys;
  for (std::size_t index = 0; index < list->size(); ++index) {
    const std::string label = listLabel(index);
    const auto position = path.at(label);
    keys.push_back(parseMatch((*list)[index], path));
  }
  return keys;
}

void encodeU32(const Map& options, Encoder& to) {
  static const Schema known{};
  static constexpr std::array<std::string_view, 2> names{"matches", "actions"};
  known.encode(options, to, names);
  const std::vector<tc_u32_key> keys = parseMatches(options, to.path);
  std::vector<std::uint8_t> bytes(sizeof(tc_u32_sel) + keys.size() * sizeof(tc_u32_key));
  bytes[offsetof(tc_u32_sel, flags)] = TC_U32_TERMINAL;
  bytes[offsetof(tc_u32_sel, nkeys)] = static_cast<std::uint8_t>(keys.size());
  std::memcpy(bytes.data() + sizeof(tc_u32_sel), keys.data(), keys.size() * sizeof(tc_u32_key));
  to.batch.put(TCA_U32_SEL, std::span<const std::uint8_t>(bytes));
  encodeActions(options, TCA_U32_ACT, to);
}

void decodeU32(Span options, Map& into) {
  const auto bytes = findAttribute(options, TCA_U32_SEL);
  if (!bytes || bytes->size() < sizeof(tc_u32_sel)) {
    return;
  }
  const std::uint8_t count = (*bytes)[offsetof(tc_u32_sel, nkeys)];
  List matches;
  Span rest = bytes->subspan(sizeof(tc_u32_sel));
  for (int index = 0; index < count; ++index) {
    const auto key = readAs<tc_u32_key>(rest);
    if (!key) {
      break;
    }
    matches.emplace_back(Map{{"offset", key->off}, {"mask", ntohl(key->mask)}, {"value", ntohl(key->val)}});
    rest = rest.subspan(sizeof *key);
  }
  into.set("matches", std::move(matches));
  if (const auto actions = findAttribute(options, TCA_U32_ACT)) {
    into.set("actions", decodeActions(*actions));
  }
}

}  // namespace

const TrafficKind u32Filter{"u32", encodeU32, decodeU32};

}  // namespace vethwork
