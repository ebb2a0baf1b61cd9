#pragma once

#include "engine/transaction.h"

namespace vethwork {

/// Packs the results of a transaction as a list with one map for each request. Empty if all requests succeeded and
/// returned no values. Moves the values out of the transaction.
Bytes packResults(Transaction& transaction);

}  // namespace vethwork
