#pragma once

#include "nftables/expression.h"

namespace vethwork {

extern const ExpressionKind bitwiseExpression;
extern const ExpressionKind byteorderExpression;
extern const ExpressionKind cmpExpression;
extern const ExpressionKind connlimitExpression;
extern const ExpressionKind counterExpression;
extern const ExpressionKind ctExpression;
extern const ExpressionKind dynsetExpression;
extern const ExpressionKind fibExpression;
extern const ExpressionKind immediateExpression;
extern const ExpressionKind limitExpression;
extern const ExpressionKind logExpression;
extern const ExpressionKind lookupExpression;
extern const ExpressionKind masqueradeExpression;
extern const ExpressionKind metaExpression;
extern const ExpressionKind natExpression;
extern const ExpressionKind notrackExpression;
extern const ExpressionKind objrefExpression;
extern const ExpressionKind payloadExpression;
extern const ExpressionKind quotaExpression;
extern const ExpressionKind rangeExpression;
extern const ExpressionKind redirectExpression;
extern const ExpressionKind rejectExpression;

/// Check for kinds that either load into `register` or set from `sourceRegister`. @throws ValidationError
void checkLoadOrSet(const Map& expression, const Path& path);

/// Returns nullptr if the kind is unknown.
const ExpressionKind* findExpressionKind(std::string_view name);
const ExpressionKind* findKernelExpressionKind(std::string_view name);

}  // namespace vethwork
