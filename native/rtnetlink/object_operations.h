#pragma once

#include <string_view>
#include <vector>

#include "engine/operation.h"

namespace vethwork {

/// An object of rtnetlink that is added, deleted and listed.
struct RouteObject {
  /// Begins the names of the operations, and names the argument that holds the object.
  std::string_view name;
  void (*add)(const Map& arguments, Encoder& to);
  void (*remove)(const Map& arguments, Encoder& to);
  void (*list)(const Map& arguments, Encoder& to);
  Value (*decode)(const Message& message);
  /// What `add` and `list` take besides.
  std::vector<std::string_view> addTakes = {"mode"};
  std::vector<std::string_view> listTakes = {};
  /// Whether `add` tells, where it is to `remember`, what the kernel made of it.
  bool echoes = false;
};

/// `<name>.add`, `<name>.delete` and `<name>.list`.
std::vector<OperationKind> objectOperations(const RouteObject& object);

}  // namespace vethwork
