#pragma once

#include <optional>
#include <vector>

#include "nftables/type.h"

namespace vethwork {

/// Types of a set, which are needed to encode and decode its elements.
struct ElementTypes {
  NftType key;
  /// Type of the data, for maps of values.
  std::optional<NftType> data = {};
  bool isVerdictMap = false;
  bool isObjectMap = false;
  bool isInterval = false;

  /// Reads `keyType`, `dataType` and `interval`. @throws ValidationError
  static ElementTypes parse(const Map& set, Path& path);
  /// The same for a listed set, whose types may be unknown.
  static ElementTypes ofListed(const Map& set);

  /// Reads the `dataType` of a set. @throws ValidationError
  void setData(const Value& dataType, const Path& path);

  [[nodiscard]] NftType::Use use() const { return isInterval ? NftType::Use::interval : NftType::Use::exact; }
};

/// Collects the elements of a set from the messages of a dump. Keys and data of unknown types are returned as bytes.
class ElementList {
 public:
  explicit ElementList(ElementTypes types) : types_(std::move(types)) {}

  /// Adds the elements of a message. Other messages are ignored.
  void add(const Message& message);
  void clear() { elements_.clear(); }

  /// Returns the elements in the order of their keys, with the two halves of intervals joined. Each starts with the
  /// properties of `common`.
  [[nodiscard]] List finish(const Map& common);

 private:
  struct Raw {
    Bytes key;
    Bytes keyEnd;
    bool isEnd;
    bool isCatchall;
    Map rest;
  };

  void addElement(Span attributes);
  void joinIntervals();

  ElementTypes types_;
  std::vector<Raw> elements_;
};

}  // namespace vethwork
