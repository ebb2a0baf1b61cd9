#pragma once

#include "value/value.h"

namespace vethwork {

/// Writes a value for src/kernel/unpack.ts to read: tags and numbers as `unpack` reads them. Most texts are there many
/// times, as the names of properties are: each is written once, and is a number from then on.
Bytes pack(const Value& value);

}  // namespace vethwork
