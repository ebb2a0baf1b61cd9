#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"

namespace vethwork {

/// The engine of one JavaScript environment, and the promises of its transactions. Transactions that complete while
/// JavaScript is busy are settled in one callback.
class Settler {
 public:
  explicit Settler(Napi::Env env);
  ~Settler() { shutdown(); }
  Settler(const Settler&) = delete;
  Settler& operator=(const Settler&) = delete;

  /// The promise resolves to the result of `packResults`, or undefined if that is empty.
  /// @param isAwaited if a prewoken thread takes the transaction, and no other is pending, JavaScript waits a short
  /// time
  ///   for its result: that is faster than going to sleep and being woken
  Napi::Promise submit(Napi::Env env, std::uint32_t id, TransactionPointer transaction, bool isAwaited);
  /// Prevents requests that are not sent yet from being sent.
  void cancel(std::uint32_t id);
  Engine& engine() { return *engine_; }

  /// Waits for requests that were sent. No promise is settled afterwards.
  void shutdown();

 private:
  struct Pending {
    std::uint32_t id;
    Napi::Promise::Deferred promise;
  };

  static void call(Napi::Env env, Napi::Function, Settler* settler, void*);
  using Wake = Napi::TypedThreadSafeFunction<Settler, void, &Settler::call>;

  void finished(TransactionPointer transaction);
  void settleAll(Napi::Env env);
  /// Ends the wait for a transaction: if a thread has taken it, when it has finished or some time has passed.
  void await(Napi::Env env, bool isTaken);

  Wake wake_;
  // Used by the JavaScript thread only.
  std::unordered_map<const Transaction*, Pending> pending_;
  std::unordered_map<std::uint32_t, TransactionPointer> cancellable_;
  // Used by all threads, under the mutex.
  std::mutex mutex_;
  std::vector<TransactionPointer> finished_;
  /// JavaScript waits for a transaction, and needs no wake-up.
  std::atomic<bool> isAwaiting_ = false;

  std::unique_ptr<Engine> engine_;
};

}  // namespace vethwork
