#pragma once

#include "schema/codec.h"

namespace vethwork {

/// What a register of 16 bytes can hold (struct nft_data).
inline constexpr std::size_t maximumRegisterBytes = 16;

/// Registers: 0 holds the verdict, 1 to 4 are 16 bytes each, 8 to 23 are the same space in pieces of 4 bytes.
CodecPointer nftRegister();

/// Bytes to be compared with, or loaded into, a register (NFTA_DATA_VALUE).
CodecPointer nftData();

/// `accept`, `{ jump: 'chain' }`, … (NFTA_DATA_VERDICT).
CodecPointer nftVerdict();

/// Writes NFTA_DATA_VALUE within an attribute.
void putNftData(std::uint16_t attribute, Span bytes, Encoder& to);

}  // namespace vethwork
