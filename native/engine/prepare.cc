#include "engine/prepare.h"

#include <string>
#include <utility>

#include "engine/undo_recorder.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

/// The namespace of the request.
NamespaceReference place(const Request& request, Path& path) {
  const auto* direct = std::get_if<DirectOperation>(&request.kind->how);
  if (direct != nullptr && direct->place == DirectOperation::Place::outside) {
    if (const auto* name = member(request.arguments, "name").as<std::string>(); name != nullptr) {
      return NamespaceReference::ofName(*name);
    }
  }
  const auto scope = path.at("netns");
  return NamespaceReference::parse(member(request.arguments, "netns"), path);
}

void checkRequest(Request& request, Path& path) {
  if (const auto* direct = std::get_if<DirectOperation>(&request.kind->how)) {
    direct->check(request.arguments, path);
    return;
  }
  if (const auto* exchange = std::get_if<ExchangeOperation>(&request.kind->how)) {
    exchange->check(request.arguments, path);
    return;
  }
  Encoder encoder{.batch = request.messages, .path = path};
  std::get<NetlinkOperation>(request.kind->how).encode(request.arguments, encoder);
  if (request.messages.error()) {
    path.reject(Value(), *request.messages.error());
  }
}

DigestSpec readDigest(const Map& from, Path& path) {
  DigestSpec spec{.isRuleset = isTrue(from, "ruleset", path), .keepsValue = isTrue(from, "value", path)};
  if (const Value* by = given(from, "by")) {
    const auto scope = path.at("by");
    const auto* names = by->as<List>();
    if (names == nullptr) {
      path.reject(*by, "a list of properties");
    }
    for (const Value& name : *names) {
      spec.by.push_back(string(name, path));
    }
  }
  return spec;
}

Request readRequest(Value value, Path& path) {
  auto* arguments = value.as<Map>();
  if (arguments == nullptr) {
    path.reject(value, "an operation");
  }
  Request request{.kind = nullptr, .arguments = std::move(*arguments), .netns = {}, .messages = {}};
  request.kind = &named(request.arguments, "op", findOperation, "the name of an operation", path);
  std::vector<std::string_view> known = request.kind->takes;
  known.push_back("op");
  if (given(request.arguments, "digest") != nullptr) {
    request.digest = readDigest(part(request.arguments, "digest", path), path);
    known.push_back("digest");
  }
  checkKeys(request.arguments, known, path);
  request.netns = place(request, path);
  return request;
}

}  // namespace

std::vector<Request> prepare(Value operations, bool capturesUndo) {
  Path path;
  const auto scope = path.at("operations");
  auto* list = operations.as<List>();
  if (list == nullptr) {
    path.reject(operations, "a list of operations");
  }
  std::vector<Request> requests;
  requests.reserve(list->size());
  UndoRecorder memory;
  for (std::size_t index = 0; index < list->size(); ++index) {
    const std::string label = listLabel(index);
    const auto position = path.at(label);
    Request& request = requests.emplace_back(readRequest(std::move((*list)[index]), path));
    if (capturesUndo) {
      memory.ask(request);
    }
    checkRequest(request, path);
    if (capturesUndo) {
      memory.note(request);
    }
  }
  return requests;
}

}  // namespace vethwork
