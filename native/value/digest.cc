#include "value/digest.h"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <unordered_map>

#include "value/tag.h"

namespace vethwork {
namespace {

using Key = std::array<std::uint64_t, 2>;

const Key& secret() {
  static const Key key = [] {
    Key random{};
    if (::getrandom(random.data(), sizeof random, 0) != static_cast<ssize_t>(sizeof random)) {
      throw std::system_error(errno, std::generic_category(), "getrandom");
    }
    return random;
  }();
  return key;
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012).
class SipHash {
 public:
  explicit SipHash(const Key& key)
      : state_{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
               key[1] ^ 0x7465646279746573} {}

  std::uint64_t operator()(std::string_view bytes) {
    const std::size_t whole = bytes.size() / 8 * 8;
    for (std::size_t at = 0; at < whole; at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      absorb(word);
    }
    std::uint64_t last = 0;
    std::memcpy(&last, bytes.data() + whole, bytes.size() - whole);
    absorb(last | static_cast<std::uint64_t>(bytes.size()) << 56);
    state_[2] ^= 0xff;
    for (int each = 0; each < 4; ++each) {
      round();
    }
    return state_[0] ^ state_[1] ^ state_[2] ^ state_[3];
  }

 private:
  void absorb(std::uint64_t word) {
    state_[3] ^= word;
    round();
    round();
    state_[0] ^= word;
  }

  void round() {
    auto& [v0, v1, v2, v3] = state_;
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  std::array<std::uint64_t, 4> state_;
};

/// Writes a value as bytes, so that different values have different bytes.
class Serialiser {
 public:
  explicit Serialiser(std::string& to) : to_(to) {}

  void operator()(std::monostate) { tag(Tag::null); }
  void operator()(bool value) { tag(value ? Tag::yes : Tag::no); }
  void operator()(std::int64_t value) { number(Tag::int64, value); }
  void operator()(std::uint64_t value) { number(Tag::uint64, value); }
  void operator()(double value) { number(Tag::real, value); }
  void operator()(const std::string& value) { text(Tag::text, value); }
  void operator()(const Bytes& value) { text(Tag::bytes, {reinterpret_cast<const char*>(value.data()), value.size()}); }
  void operator()(const Unsupported& value) { text(Tag::unsupported, value.description); }
  void operator()(const List& value) {
    number(Tag::list, value.size());
    for (const Value& each : value) {
      each.visit(*this);
    }
  }
  void operator()(const Map& value) {
    number(Tag::map, value.entries().size());
    const bool isExpression = value.find("expression") != nullptr;
    for (const Entry& entry : value.entries()) {
      if (isCount(entry.key, isExpression)) {
        continue;
      }
      text(Tag::text, entry.key);
      entry.value.visit(*this);
    }
  }

 private:
  /// Packets change these.
  static bool isCount(std::string_view key, bool isExpression) {
    return isExpression ? key == "packets" || key == "bytes" || key == "consumed" : key == "elementCount";
  }

  void tag(Tag tag) { to_.push_back(static_cast<char>(tag)); }

  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void number(Tag kind, Number value) {
    tag(kind);
    to_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void text(Tag kind, std::string_view text) {
    number(kind, text.size());
    to_.append(text);
  }

  std::string& to_;
};

std::string hexadecimal(std::uint64_t number) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) {
    text.push_back(digits[number >> shift & 0xf]);
  }
  return text;
}

bool isText(const Value* value, std::string_view text) {
  const auto* actual = value == nullptr ? nullptr : value->as<std::string>();
  return actual != nullptr && *actual == text;
}

bool isTrue(const Value* value) {
  const auto* actual = value == nullptr ? nullptr : value->as<bool>();
  return actual != nullptr && *actual;
}

/// A neighbour that the kernel has learned: it changes and removes the entry itself. That includes the entries without
/// ARP for multicast addresses.
bool isLearned(const Map& object) {
  const Value* state = object.find("state");
  return state != nullptr && state->as<std::string>() != nullptr && !isText(state, "permanent") &&
         (!isText(state, "noarp") || !isText(object.find("family"), "bridge")) && !isTrue(object.find("proxy"));
}

/// The digests of the groups of a listing, in the order of their first object.
class Groups {
 public:
  /// A digest depends on the order of the objects of a group.
  void add(Value group, const Value& object) {
    bytes_.clear();
    group.visit(Serialiser(bytes_));
    const auto [found, isNew] = positions_.try_emplace(bytes_, digests_.size());
    if (isNew) {
      groups_.push_back(std::move(group));
      digests_.push_back(0);
    }
    std::uint64_t& digest = digests_[found->second];
    digest = next(digest, object);
  }

  List finish() {
    List list;
    for (std::size_t at = 0; at < groups_.size(); ++at) {
      list.push_back(std::move(groups_[at]));
      list.emplace_back(hexadecimal(digests_[at]));
    }
    return list;
  }

  /// Returns the digest of a list that is longer by one object.
  std::uint64_t next(std::uint64_t before, const Value& object) {
    bytes_.assign(reinterpret_cast<const char*>(&before), sizeof before);
    object.visit(Serialiser(bytes_));
    return SipHash(secret())(bytes_);
  }

 private:
  std::unordered_map<std::string, std::size_t> positions_;
  std::vector<Value> groups_;
  std::vector<std::uint64_t> digests_;
  /// Kept for its memory.
  std::string bytes_;
};

/// The first part of the key of an element: the name of a port, or a number.
Value firstOfKey(const Map& element) {
  const Value* key = element.find("key");
  if (key == nullptr) {
    return {};
  }
  const auto* parts = key->as<List>();
  return parts == nullptr ? *key : parts->empty() ? Value() : parts->front();
}

Value property(const Map& object, std::string_view name) {
  const Value* value = object.find(name);
  return value == nullptr ? Value() : *value;
}

/// Family and table, and for an element the first part of its key.
Value groupInRuleset(const Map& object) {
  const bool isTable = isText(object.find("object"), "table");
  List group{property(object, "family"), property(object, isTable ? "name" : "table")};
  if (isText(object.find("object"), "element")) {
    group.push_back(firstOfKey(object));
  }
  return group;
}

Value groupOf(const Map& object, const std::vector<std::string>& by) {
  if (by.size() == 1) {
    return property(object, by.front());
  }
  List group;
  for (const std::string& name : by) {
    group.push_back(property(object, name));
  }
  return group;
}

/// Calls `take` with the objects of a listing that do not change by themselves.
template <typename Take>
void forEachSteady(const List& list, Take&& take) {
  bool isDynamic = false;
  for (const Value& each : list) {
    if (const auto* object = each.as<Map>(); object != nullptr) {
      const Value* kind = object->find("object");
      if (isText(kind, "set")) {
        isDynamic = isTrue(object->find("dynamic"));
      }
      // The elements of a set follow it.
      if (isLearned(*object) || (isDynamic && isText(kind, "element"))) {
        continue;
      }
    }
    take(each);
  }
}

}  // namespace

Map digestOf(Value value, const DigestSpec& spec) {
  Map answer;
  Groups groups;
  if (const auto* list = value.as<List>(); list != nullptr) {
    std::uint64_t whole = 0;
    forEachSteady(*list, [&](const Value& each) {
      const auto* object = each.as<Map>();
      if (object != nullptr && spec.isRuleset) {
        groups.add(groupInRuleset(*object), each);
      } else if (object != nullptr && !spec.by.empty()) {
        groups.add(groupOf(*object, spec.by), each);
      } else {
        whole = groups.next(whole, each);
      }
    });
    answer.append("digest", hexadecimal(whole));
    if (spec.isRuleset || !spec.by.empty()) {
      answer.append("groups", groups.finish());
    }
  } else {
    answer.append("digest", hexadecimal(groups.next(0, value)));
  }
  if (spec.keepsValue) {
    answer.append("value", std::move(value));
  }
  return answer;
}

}  // namespace vethwork
