#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vethwork {

class Value;
struct Entry;

using Bytes = std::vector<std::uint8_t>;
using List = std::vector<Value>;

/// A small map that keeps insertion order. Linear search is the fastest at these sizes.
class Map {
 public:
  Map();
  Map(std::initializer_list<Entry> entries);
  Map(const Map&);
  Map(Map&&) noexcept;
  Map& operator=(const Map&);
  Map& operator=(Map&&) noexcept;
  ~Map();

  [[nodiscard]] const Value* find(std::string_view key) const;
  void set(std::string_view key, Value value);
  /// Like `set`, for a key that is not present.
  void append(std::string key, Value value);
  void reserve(std::size_t count);

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

/// A value that no message can represent, such as a function or a symbol. It is kept for the error message.
struct Unsupported {
  std::string description;
};

/// A plain value that is exchanged between JavaScript and messages. It is independent of both.
class Value {
 public:
  Value() = default;
  Value(bool value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(std::int64_t value) : data_(value) {}
  Value(std::uint32_t value) : data_(std::int64_t{value}) {}
  Value(std::uint64_t value) {
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      data_ = static_cast<std::int64_t>(value);
    } else {
      data_ = value;
    }
  }
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(Bytes value) : data_(std::move(value)) {}
  Value(List value) : data_(std::move(value)) {}
  Value(Map value) : data_(std::move(value)) {}
  Value(Unsupported value) : data_(std::move(value)) {}

  [[nodiscard]] bool isNull() const { return std::holds_alternative<std::monostate>(data_); }

  template <typename T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&data_);
  }

  template <typename T>
  [[nodiscard]] T* as() {
    return std::get_if<T>(&data_);
  }

  template <typename Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    return std::visit(std::forward<Visitor>(visitor), data_);
  }

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Bytes, List, Map, Unsupported>
      data_;
};

struct Entry {
  std::string key;
  Value value;
};

}  // namespace vethwork
