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

/// The families of tables.
const Words& nftFamilies();

/// The types of named objects, as nft calls them.
const Words& nftObjectTypes();
bool isNftObjectType(std::string_view name);

/// The name of a table, chain, object or set (NFT_NAME_MAXLEN).
CodecPointer nftName();

/// The `family` of a command. @throws ValidationError
std::uint8_t nftFamily(const Map& command, Path& path);

/// Starts the message of a command, in the command's family.
void beginNft(const Map& command, std::uint8_t message, std::uint16_t flags, Encoder& to);

/// NLM_F_EXCL for a command with `exclusive`: what exists is an error.
std::uint16_t exclusiveFlag(const Map& command, Path& path);

/// Starts an object as it is listed: what it is, and its family.
Map nftObject(std::string_view object, const nfgenmsg& header);

/// Properties of commands that are dealt with outside their schemas.
inline constexpr std::array<std::string_view, 3> commandOthers{"command", "family", "exclusive"};

}  // namespace vethwork
