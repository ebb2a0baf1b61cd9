#pragma once

#include "schema/codec.h"

namespace vethwork {

// Integers of netfilter are big-endian; be16 and be32 are in schema/codec.h.

CodecPointer be64();

/// Omits a number that means "none" from decoded objects.
CodecPointer unlessZero(CodecPointer codec);

/// A list of names, each of which is one bit of 32.
CodecPointer flagNames(EnumNames words);

}  // namespace vethwork
