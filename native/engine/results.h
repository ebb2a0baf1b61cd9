#pragma once

#include "engine/transaction.h"

namespace vethwork {

/// The results of a transaction, packed: a list with a map a request. Empty where all succeeded and nobody wants to
/// know more. Takes the values along.
Bytes packResults(Transaction& transaction);

}  // namespace vethwork
