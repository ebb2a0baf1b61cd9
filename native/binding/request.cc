#include "binding/request.h"

#include <algorithm>
#include <string>

#include "binding/convert.h"
#include "engine/prepare.h"

namespace vethwork {
Napi::Error toError(Napi::Env env, const ValidationError& error) {
  Napi::Error thrown = Napi::TypeError::New(env, error.field() + ": expected " + error.expected());
  Napi::Object object = thrown.Value();
  object.Set("code", "VALIDATION");
  object.Set("field", error.field());
  object.Set("value", toJavaScript(env, error.value()));
  object.Set("expected", error.expected());
  return thrown;
}

std::vector<Request> readRequests(const Napi::Value& operations, bool remembers) {
  try {
    return prepare(fromJavaScript(operations), remembers);
  } catch (const ValidationError& error) {
    throw toError(operations.Env(), error);
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
