#include "nftables/batch.h"

#include <arpa/inet.h>

#include <string>
#include <unordered_map>

#include "nftables/message.h"
#include "nftables/objects.h"

namespace vethwork {
namespace {

const CommandKind* findCommand(std::string_view name) {
  static const auto kinds = [] {
    std::unordered_map<std::string_view, const CommandKind*> map;
    for (const CommandKinds some :
         {tableCommands(), chainCommands(), ruleCommands(), setCommands(), elementCommands(), objectCommands()}) {
      for (const CommandKind& kind : some) {
        map.emplace(kind.name, &kind);
      }
    }
    return map;
  }();
  const auto found = kinds.find(name);
  return found == kinds.end() ? nullptr : found->second;
}

void putMarker(std::uint16_t type, Batch::Answer answer, Encoder& to) {
  to.batch.begin(type, 0, answer);
  to.batch.header(nfgenmsg{.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)});
}

void encodeCommand(const Map& command, bool captureUndo, Encoder& to) {
  const CommandKind& kind = named(command, "command", findCommand, "a known command", to.path);
  const std::size_t first = to.batch.size();
  kind.encode(command, to);
  if (captureUndo && kind.makesHandle) {
    to.batch.addFlags(first, NLM_F_ECHO);
  }
}

const List& commandsOf(const Map& arguments, const Path& path) {
  const Value& value = member(arguments, "commands");
  const auto* commands = value.as<List>();
  if (commands == nullptr || commands->empty()) {
    path.reject(value, "a list of commands that is not empty");
  }
  return *commands;
}

std::string textOf(const Map& command, std::string_view key) {
  const auto* text = member(command, key).as<std::string>();
  return text == nullptr ? std::string() : ' ' + *text;
}

}  // namespace

void encodeBatch(const Map& arguments, Encoder& to) {
  const bool captureUndo = isTrue(arguments, "captureUndo", to.path);
  const auto scope = to.path.at("commands");
  const List& commands = commandsOf(arguments, to.path);
  putMarker(NFNL_MSG_BATCH_BEGIN, Batch::Answer::failure, to);
  for (std::size_t position = 0; position < commands.size(); ++position) {
    const std::string label = listLabel(position);
    const auto entry = to.path.at(label);
    encodeCommand(object(commands[position], to.path), captureUndo, to);
  }
  putMarker(NFNL_MSG_BATCH_END, Batch::Answer::none, to);
}

std::string describeBatchMessage(const Map& arguments, std::size_t message) {
  Batch scratch;
  Encoder to{.batch = scratch};
  putMarker(NFNL_MSG_BATCH_BEGIN, Batch::Answer::failure, to);
  if (message < scratch.size()) {
    return "the batch as a whole";
  }
  const List& commands = commandsOf(arguments, to.path);
  for (std::size_t position = 0; position < commands.size(); ++position) {
    const Map& command = object(commands[position], to.path);
    encodeCommand(command, false, to);
    if (message < scratch.size()) {
      std::string text = "commands" + listLabel(position);
      for (const std::string_view key : {"command", "family", "table", "chain", "set", "name"}) {
        text += textOf(command, key);
      }
      return text;
    }
  }
  return "the end of the batch";
}

}  // namespace vethwork
