#pragma once

#include <span>

#include "engine/session.h"
#include "engine/transaction.h"

namespace vethwork {

/// Consecutive requests of one transaction that target one namespace and are sent together.
struct Run {
  TransactionPointer transaction;
  std::size_t first;
  std::size_t last;

  [[nodiscard]] Request& front() const { return transaction->requests[first]; }
  [[nodiscard]] std::size_t size() const { return last - first; }
};

/// Returns the run that starts at the transaction's next request.
Run nextRun(const TransactionPointer& transaction);

/// True if the request creates or deletes its namespace.
bool replacesNamespace(const Request& request);

/// True if two runs of the same namespace can share a send.
bool canJoin(const Run& one, const Run& other);

/// Executes the runs, together if there are several, and writes the results into their transactions.
void execute(std::span<const Run> runs, Session& session, Worker& worker);

}  // namespace vethwork
