#include "binding/request.h"

#include <algorithm>
#include <string>

#include "binding/convert.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

/// Everything that can be known without the kernel is checked here, by the code that will encode it.
void check(const Request& request, Path& path) {
  if (const auto* direct = std::get_if<DirectOperation>(&request.kind->how)) {
    direct->check(request.arguments, path);
    return;
  }
  Batch discarded;
  NamespaceChecker namespaces;
  Encoder encoder{.batch = discarded, .namespaces = namespaces, .path = path};
  std::get<NetlinkOperation>(request.kind->how).encode(request.arguments, encoder);
  if (discarded.error()) {
    path.reject(Value(), *discarded.error());
  }
}

Request readRequest(Value value, Path& path) {
  auto* arguments = value.as<Map>();
  if (arguments == nullptr) {
    path.reject(value, "an operation");
  }
  Request request{.kind = nullptr, .arguments = std::move(*arguments), .netns = {}};
  request.kind = &named(request.arguments, "op", findOperation, "the name of an operation", path);
  std::vector<std::string_view> known = request.kind->takes;
  known.push_back("op");
  checkKeys(request.arguments, known, path);
  check(request, path);
  const auto* direct = std::get_if<DirectOperation>(&request.kind->how);
  if (direct != nullptr && direct->place == DirectOperation::Place::outside &&
      given(request.arguments, "name") != nullptr) {
    request.netns = NamespaceReference::ofName(*request.arguments.find("name")->as<std::string>());
  } else {
    const auto scope = path.at("netns");
    request.netns = NamespaceReference::parse(member(request.arguments, "netns"), path);
  }
  return request;
}

}  // namespace

Napi::Error toError(Napi::Env env, const ValidationError& error) {
  Napi::Error thrown = Napi::TypeError::New(env, error.field() + ": expected " + error.expected());
  Napi::Object object = thrown.Value();
  object.Set("code", "VALIDATION");
  object.Set("field", error.field());
  object.Set("value", toJavaScript(env, error.value()));
  object.Set("expected", error.expected());
  return thrown;
}

std::vector<Request> readRequests(const Napi::Value& operations) {
  const Napi::Env env = operations.Env();
  try {
    Path path;
    const auto scope = path.at("operations");
    Value value = fromJavaScript(operations);
    auto* list = value.as<List>();
    if (list == nullptr) {
      path.reject(value, "a list of operations");
    }
    std::vector<Request> requests;
    requests.reserve(list->size());
    for (std::size_t index = 0; index < list->size(); ++index) {
      const std::string label = '[' + std::to_string(index) + ']';
      const auto position = path.at(label);
      requests.push_back(readRequest(std::move((*list)[index]), path));
    }
    return requests;
  } catch (const ValidationError& error) {
    throw toError(env, error);
  }
}

NamespaceReference readNamespace(const Napi::Value& reference) {
  try {
    Path path;
    const auto scope = path.at("netns");
    return NamespaceReference::parse(fromJavaScript(reference), path);
  } catch (const ValidationError& error) {
    throw toError(reference.Env(), error);
  }
}

Napi::Value writeResults(Napi::Env env, const Transaction& transaction) {
  const std::vector<Result>& results = transaction.results;
  const auto isPlain = [&](const Result& result) {
    return result.state == Result::State::done && (transaction.remembers || result.value.isNull());
  };
  if (std::ranges::all_of(results, isPlain)) {
    return env.Undefined();
  }
  auto array = Napi::Array::New(env, results.size());
  for (std::size_t index = 0; index < results.size(); ++index) {
    const Napi::HandleScope scope(env);
    const Result& result = results[index];
    auto object = Napi::Object::New(env);
    object.Set("done", result.state == Result::State::done);
    if (result.state == Result::State::failed) {
      object.Set("errno", result.error);
      if (!result.text.empty()) {
        object.Set("text", result.text);
      }
      if (result.offset) {
        object.Set("offset", *result.offset);
      }
    }
    if (!result.value.isNull()) {
      object.Set("value", toJavaScript(env, result.value));
    }
    array.Set(static_cast<std::uint32_t>(index), object);
  }
  return array;
}

}  // namespace vethwork
