#include "binding/request.h"

#include <string>

#include "binding/convert.h"
#include "engine/prepare.h"

namespace vethwork {
Napi::Error toError(Napi::Env env, const ValidationError& error) {
  Napi::Error thrown = Napi::TypeError::New(env, error.field() + ": expected " + error.expected());
  Napi::Object object = thrown.Value();
  object.Set("code", "ERR_VETHWORK_VALIDATION");
  object.Set("field", error.field());
  object.Set("value", toJavaScript(env, error.value()));
  object.Set("expected", error.expected());
  return thrown;
}

std::vector<Request> readRequests(const Napi::Value& operations, bool capturesUndo) {
  try {
    return prepare(fromJavaScript(operations), capturesUndo);
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

}  // namespace vethwork
