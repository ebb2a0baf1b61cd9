#pragma once

#include "value/value.h"

namespace vethwork {

/// Packs a value for src/kernel/unpack.ts. Tags and numbers are encoded as in `unpack`. Most texts, such as property
/// names, occur often: each is written once and then referred to by number.
Bytes pack(const Value& value);

}  // namespace vethwork
