#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "nftables/type.h"
#include "schema/encoder.h"

namespace vethwork {

/// A command of a batch.
struct CommandKind {
  std::string_view name;
  /// Adds the command's messages. @throws ValidationError
  void (*encode)(const Map& command, Encoder& to);
  /// Makes something that only its handle names, which the kernel tells where it is to be remembered.
  bool makesHandle = false;
};

using CommandKinds = std::span<const CommandKind>;

CommandKinds tableCommands();
CommandKinds chainCommands();
CommandKinds ruleCommands();
CommandKinds setCommands();
CommandKinds elementCommands();
CommandKinds objectCommands();

// Objects as they are listed; null for messages of other kinds.

Value decodeTable(const Message& message);
Value decodeChain(const Message& message);
Value decodeRule(const Message& message);
Value decodeSet(const Message& message);
/// A named counter; objects of other types as `opaque`.
Value decodeObject(const Message& message);

}  // namespace vethwork
