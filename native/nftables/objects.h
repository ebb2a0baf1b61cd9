#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "nftables/type.h"
#include "schema/encoder.h"

namespace vethwork {

/// A command of an nftables batch.
struct CommandKind {
  std::string_view name;
  /// Encodes the command. @throws ValidationError
  void (*encode)(const Map& command, Encoder& to);
  /// True if the created object is identified by its handle only. The kernel then reports it (NLM_F_ECHO) if undo state
  /// is captured.
  bool makesHandle = false;
};

using CommandKinds = std::span<const CommandKind>;

CommandKinds tableCommands();
CommandKinds chainCommands();
CommandKinds ruleCommands();
CommandKinds setCommands();
CommandKinds elementCommands();
CommandKinds objectCommands();

// Decoders of listed objects; null for other messages.

Value decodeTable(const Message& message);
Value decodeChain(const Message& message);
Value decodeRule(const Message& message);
Value decodeSet(const Message& message);
/// A named counter; other objects are `opaque`.
Value decodeObject(const Message& message);

}  // namespace vethwork
