#pragma once

#include "schema/codec.h"

namespace vethwork {

// Netfilter's integers are big endian; be16 and be32 are in schema/codec.h.

CodecPointer be64();

/// Leaves out of what is decoded the number that means nothing special.
CodecPointer unlessZero(CodecPointer codec);

/// A list of words, each a bit of 32.
CodecPointer wordList(Words words);

}  // namespace vethwork
