#pragma once

#include <optional>
#include <vector>

#include "nftables/type.h"

namespace vethwork {

/// What must be known of a set to write or read its elements.
struct ElementTypes {
  NftType key;
  /// Of a map that holds neither verdicts nor objects.
  std::optional<NftType> data = {};
  bool isVerdictMap = false;
  bool isObjectMap = false;
  bool isInterval = false;

  /// From `keyType`, `dataType` and `interval`. @throws ValidationError
  static ElementTypes parse(const Map& set, Path& path);
  /// The same of a set as it was listed, whose types may not be known here.
  static ElementTypes ofListed(const Map& set);

  /// From a set's `dataType`. @throws ValidationError
  void setData(const Value& dataType, const Path& path);

  [[nodiscard]] NftType::Use use() const { return isInterval ? NftType::Use::interval : NftType::Use::exact; }
};

/// Collects a set's elements from the messages of a dump. Keys and data of unknown types stay bytes.
class ElementList {
 public:
  explicit ElementList(ElementTypes types) : types_(std::move(types)) {}

  /// The elements of one message; others are ignored.
  void add(const Message& message);
  void clear() { elements_.clear(); }

  /// With the two halves of intervals joined, in the order of their keys. Each starts with the properties of `common`.
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
