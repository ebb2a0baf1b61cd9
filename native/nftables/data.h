#pragma once

#include "schema/codec.h"

namespace vethwork {

/// Size of a 128-bit register (struct nft_data).
inline constexpr std::size_t maximumRegisterBytes = 16;

/// Registers: 0 is the verdict, 1 to 4 have 16 bytes, 8 to 23 are the same space in units of 4 bytes.
CodecPointer nftRegister();

/// Bytes that are compared with or loaded into a register (NFTA_DATA_VALUE).
CodecPointer nftData();

/// A verdict: `accept`, `{ jump: 'chain' }`, … (NFTA_DATA_VERDICT).
CodecPointer nftVerdict();

/// Writes NFTA_DATA_VALUE as a nested attribute.
void putNftData(std::uint16_t attribute, Span bytes, Encoder& to);

}  // namespace vethwork
