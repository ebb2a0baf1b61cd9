#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <string>

#include "netfilter/codec.h"
#include "netfilter/message.h"
#include "schema/arguments.h"
#include "schema/schema.h"

namespace vethwork {

/// Families of tables.
const EnumNames& nftFamilies();

/// Types of named objects, with their nft names.
const EnumNames& nftObjectTypes();
bool isNftObjectType(std::string_view name);

/// Name of a table, chain, object or set (NFT_NAME_MAXLEN).
CodecPointer nftName();

/// Reads the `family` of a command. @throws ValidationError
std::uint8_t nftFamily(const Map& command, Path& path);

/// Begins the message of a command in its family.
void beginNft(const Map& command, std::uint8_t message, std::uint16_t flags, Encoder& to);

/// Returns NLM_F_EXCL for commands with `exclusive`: an existing object is an error.
std::uint16_t exclusiveFlag(const Map& command, Path& path);

/// Begins a listed object with its type and family.
Map nftObject(std::string_view object, const nfgenmsg& header);

/// Properties of commands that the schemas do not contain.
inline constexpr std::array<std::string_view, 3> commandOthers{"command", "family", "exclusive"};

}  // namespace vethwork
