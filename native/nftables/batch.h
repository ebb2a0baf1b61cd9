#pragma once

#include <string>

#include "schema/encoder.h"

namespace vethwork {

/// Encodes `nftables.batch`: the begin message, those of each command, the end message. @throws ValidationError
void encodeBatch(const Map& arguments, Encoder& to);

/// Describes the command of a message, as `commands[2] chain.add inet filter forward`.
std::string describeBatchMessage(const Map& arguments, std::size_t message);

}  // namespace vethwork
