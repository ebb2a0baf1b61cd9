#pragma once

#include <string_view>

#include "engine/operation.h"
#include "schema/codec.h"
#include "schema/schema.h"

namespace vethwork {

/// A kind of link, with the attributes of its IFLA_INFO_DATA. To add one, add a file in link/ and a line in kinds.cc.
struct LinkKind {
  std::string_view name;
  const Schema& options;
  /// True if links of this kind need a lower link, which `link` names.
  bool overLower = false;
  /// Checks across several options. @throws ValidationError
  void (*check)(const Map& options, Path& path) = nullptr;
};

/// Returns nullptr if the kind is unknown. Links of such kinds can be listed.
const LinkKind* findLinkKind(std::string_view name);

/// Options of ports of a master of this kind (IFLA_INFO_SLAVE_DATA); nullptr if unknown.
const LinkKind* findPortKind(std::string_view name);

/// Encodes a nested link: fixed header and attributes, without a kind (the peer of a veth).
CodecPointer linkMessage();

OperationKinds linkOperations();

}  // namespace vethwork
