#pragma once

#include <string_view>
#include <vector>

#include "engine/operation.h"

namespace vethwork {

/// An rtnetlink object type with the operations add, delete and list.
struct RouteObject {
  /// Prefix of the operation names, and name of the argument with the object.
  std::string_view name;
  void (*add)(const Map& arguments, Encoder& to);
  void (*remove)(const Map& arguments, Encoder& to);
  void (*list)(const Map& arguments, Encoder& to);
  Value (*decode)(const Message& message);
  /// Additional arguments of `add` and `list`.
  std::vector<std::string_view> addTakes = {"mode"};
  std::vector<std::string_view> listTakes = {};
  /// True if `add` reports the created object when undo state is captured (NLM_F_ECHO).
  bool echoes = false;
};

/// Returns `<name>.add`, `<name>.delete` and `<name>.list`.
std::vector<OperationKind> objectOperations(const RouteObject& object);

}  // namespace vethwork
