#pragma once

#include <string_view>

#include "engine/operation.h"
#include "schema/codec.h"
#include "schema/schema.h"

namespace vethwork {

/// A kind of link, with the attributes of its IFLA_INFO_DATA. To add one: a file in link/ and a line in kinds.cc.
struct LinkKind {
  std::string_view name;
  const Schema& options;
  /// Whether links of this kind are on top of another one, which `link` names.
  bool overLower = false;
  /// What no single option can tell. @throws ValidationError
  void (*check)(const Map& options, Path& path) = nullptr;
};

/// Null if the kind is not known; links of such kinds are still listed.
const LinkKind* findLinkKind(std::string_view name);

/// The options that ports have in a master of this kind (IFLA_INFO_SLAVE_DATA); null if not known.
const LinkKind* findPortKind(std::string_view name);

/// A link within a message: the fixed header and attributes, without a kind (the peer of a veth).
CodecPointer linkMessage();

OperationKinds linkOperations();

}  // namespace vethwork
