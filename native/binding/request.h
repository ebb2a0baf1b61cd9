#pragma once

#include <napi.h>

#include "engine/transaction.h"

namespace vethwork {

/// An error with the fields of a `ValidationError`.
Napi::Error toError(Napi::Env env, const ValidationError& error);

/// Prepares the operations of a transaction. @throws Napi::Error with the fields of a `ValidationError`
std::vector<Request> readRequests(const Napi::Value& operations, bool capturesUndo);

/// @throws Napi::Error as above
NamespaceReference readNamespace(const Napi::Value& reference);

}  // namespace vethwork
