#include "binding/settler.h"

#include <chrono>
#include <new>

#include "binding/convert.h"
#include "engine/results.h"
#include "engine/spin.h"

namespace vethwork {
namespace {

/// Longest time that JavaScript waits for a transaction. One with an nftables element takes a third of it.
constexpr std::chrono::microseconds longestAwait{150};

}  // namespace

Settler::Settler(Napi::Env env)
    : wake_(Wake::New(env, "vethwork", 0, 1, this)),
      engine_(std::make_unique<Engine>([this](TransactionPointer transaction) { finished(std::move(transaction)); })) {
  // The function keeps the event loop alive only while promises are pending.
  wake_.Unref(env);
}

Napi::Promise Settler::submit(Napi::Env env, std::uint32_t id, TransactionPointer transaction, bool isAwaited) {
  const auto promise = Napi::Promise::Deferred::New(env);
  if (pending_.empty()) {
    wake_.Ref(env);
  }
  pending_.emplace(transaction.get(), Pending{id, promise});
  cancellable_.emplace(id, transaction);
  const bool isAlone = isAwaited && pending_.size() == 1;
  isAwaiting_ = isAlone;
  const bool isTaken = engine_->submit(std::move(transaction));
  if (isAlone) {
    await(env, isTaken);
  }
  return promise.Promise();
}

void Settler::await(Napi::Env env, bool isTaken) {
  if (isTaken) {
    const auto deadline = std::chrono::steady_clock::now() + longestAwait;
    spinWhile([&] { return isAwaiting_ && std::chrono::steady_clock::now() < deadline; });
  }
  {
    // From now on, a transaction that finishes wakes JavaScript.
    const std::lock_guard lock(mutex_);
    isAwaiting_ = false;
  }
  settleAll(env);
}

void Settler::cancel(std::uint32_t id) {
  if (const auto found = cancellable_.find(id); found != cancellable_.end()) {
    found->second->cancelled = true;
  }
}

void Settler::shutdown() {
  if (engine_) {
    engine_.reset();
    // Aborts queued calls, whose target no longer exists.
    wake_.Abort();
  }
}

void Settler::finished(TransactionPointer transaction) {
  // Packing on the worker thread leaves the JavaScript thread free.
  try {
    transaction->answer = packResults(*transaction);
  } catch (const std::exception&) {
    transaction->answer.reset();
  }
  const std::lock_guard lock(mutex_);
  finished_.push_back(std::move(transaction));
  if (isAwaiting_) {
    isAwaiting_ = false;
  } else if (finished_.size() == 1) {
    // Fails only while the environment is shut down.
    (void)wake_.NonBlockingCall();
  }
}

void Settler::call(Napi::Env env, Napi::Function, Settler* settler, void*) {
  if (static_cast<napi_env>(env) != nullptr) {
    settler->settleAll(env);
  }
}

void Settler::settleAll(Napi::Env env) {
  std::vector<TransactionPointer> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const TransactionPointer& transaction : finished) {
    const Napi::HandleScope scope(env);
    const auto pending = pending_.find(transaction.get());
    if (pending == pending_.end()) {
      continue;
    }
    const Napi::Promise::Deferred promise = pending->second.promise;
    cancellable_.erase(pending->second.id);
    pending_.erase(pending);
    if (const auto& answer = transaction->answer; !answer) {
      promise.Reject(
          Napi::Error::New(env, "the answer of the kernel could not be converted: no memory or no random numbers")
              .Value());
    } else {
      promise.Resolve(answer->empty() ? env.Undefined() : toJavaScript(env, *answer));
    }
  }
  if (pending_.empty()) {
    wake_.Unref(env);
  }
}

}  // namespace vethwork
