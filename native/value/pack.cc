#include "value/pack.h"

#include <limits>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "value/tag.h"

namespace vethwork {
namespace {

class Packer {
 public:
  void write(const Value& value) { value.visit(*this); }

  Bytes finish() { return std::move(bytes_); }

  void operator()(std::monostate) { tag(Tag::null); }
  void operator()(bool value) { tag(value ? Tag::yes : Tag::no); }
  void operator()(std::int64_t value) {
    // A number would be another one beyond what a double holds.
    constexpr std::int64_t maximumSafe = 9007199254740991;
    if (value >= std::numeric_limits<std::int32_t>::min() && value <= std::numeric_limits<std::int32_t>::max()) {
      tag(Tag::int32);
      number(static_cast<std::int32_t>(value));
    } else if (value >= -maximumSafe && value <= maximumSafe) {
      tag(Tag::real);
      number(static_cast<double>(value));
    } else {
      tag(Tag::int64);
      number(value);
    }
  }
  void operator()(std::uint64_t value) {
    tag(Tag::uint64);
    number(value);
  }
  void operator()(double value) {
    tag(Tag::real);
    number(value);
  }
  void operator()(const std::string& value) {
    tag(Tag::text);
    text(value);
  }
  void operator()(const Bytes& value) {
    count(Tag::bytes, value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void operator()(const List& value) {
    count(Tag::list, value.size());
    for (const Value& each : value) {
      write(each);
    }
  }
  void operator()(const Map& value) {
    count(Tag::map, value.entries().size());
    for (const Entry& entry : value.entries()) {
      text(entry.key);
      write(entry.value);
    }
  }
  void operator()(const Unsupported& value) {
    tag(Tag::unsupported);
    text(value.description);
  }

 private:
  void tag(Tag tag) { bytes_.push_back(static_cast<std::uint8_t>(tag)); }

  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void number(Number value) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), data, data + sizeof value);
  }

  void count(Tag kind, std::size_t count) {
    tag(kind);
    number(static_cast<std::uint32_t>(count));
  }

  /// The texts are the value's, which outlives this.
  void text(std::string_view text) {
    const auto [known, isNew] = texts_.try_emplace(text, static_cast<std::uint32_t>(texts_.size()));
    number(known->second);
    if (isNew) {
      number(static_cast<std::uint32_t>(text.size()));
      bytes_.insert(bytes_.end(), text.begin(), text.end());
    }
  }

  Bytes bytes_;
  std::unordered_map<std::string_view, std::uint32_t> texts_;
};

}  // namespace

Bytes pack(const Value& value) {
  Packer packer;
  packer.write(value);
  return packer.finish();
}

}  // namespace vethwork
