#include "nftables/expression/kinds.h"

#include <algorithm>
#include <array>

#include "schema/arguments.h"

namespace vethwork {
namespace {

constexpr std::array expressionKinds{
    &bitwiseExpression,    &byteorderExpression, &cmpExpression,     &connlimitExpression, &counterExpression,
    &ctExpression,         &dynsetExpression,    &notrackExpression, &quotaExpression,     &rangeExpression,
    &fibExpression,        &immediateExpression, &limitExpression,   &logExpression,       &lookupExpression,
    &masqueradeExpression, &metaExpression,      &natExpression,     &objrefExpression,    &payloadExpression,
    &redirectExpression,   &rejectExpression,
};

const ExpressionKind* findExpression(std::string_view name, std::string_view ExpressionKind::*property) {
  const auto found =
      std::ranges::find(expressionKinds, name, [property](const ExpressionKind* kind) { return kind->*property; });
  return found == expressionKinds.end() ? nullptr : *found;
}

}  // namespace

void checkLoadOrSet(const Map& expression, const Path& path) {
  if ((given(expression, "register") == nullptr) == (given(expression, "sourceRegister") == nullptr)) {
    path.reject(expression, "either a register to load into or a sourceRegister to set from");
  }
}

const ExpressionKind* findExpressionKind(std::string_view name) { return findExpression(name, &ExpressionKind::name); }

const ExpressionKind* findKernelExpressionKind(std::string_view name) {
  return findExpression(name, &ExpressionKind::kernelName);
}

}  // namespace vethwork
