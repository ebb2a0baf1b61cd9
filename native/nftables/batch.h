#pragma once

#include <string>

#include "schema/encoder.h"

namespace vethwork {

/// The messages of `nftables.batch`: begin, those of each command, end. @throws ValidationError
void encodeBatch(const Map& arguments, Encoder& to);

/// The command that a message of the batch belongs to, as `commands[2] chain.add inet filter forward`.
std::string describeBatchMessage(const Map& arguments, std::size_t message);

}  // namespace vethwork
