#include "binding/watch.h"

#include "binding/convert.h"
#include "binding/request.h"
#include "schema/codec.h"

namespace vethwork {
namespace {

Value toValue(Watcher::Delivery&& delivery) {
  Map map{{"events", std::move(delivery.events)}, {"overflow", delivery.overflow}, {"ended", delivery.ended}};
  if (delivery.error != 0) {
    map.append("errno", delivery.error);
    map.append("text", std::move(delivery.text));
  }
  return map;
}

}  // namespace

WatchSpec readWatchSpec(const Napi::Value& options) {
  try {
    Path path;
    const Value value = fromJavaScript(options);
    if (value.as<Map>() == nullptr) {
      const auto scope = path.at("options");
      path.reject(value, "an object");
    }
    return WatchSpec::parse(*value.as<Map>(), path);
  } catch (const ValidationError& error) {
    throw toError(options.Env(), error);
  }
}

Watches::Watches(Napi::Env env)
    : wake_(Wake::New(env, "vethwork watch", 0, 1, this)), watcher_(std::make_unique<Watcher>([this] {
        // Fails only while the environment is shut down.
        (void)wake_.NonBlockingCall();
      })) {
  // The function keeps the event loop alive only while an event is waited for.
  wake_.Unref(env);
}

Napi::Promise Watches::open(Napi::Env env, Watcher::Id id, WatchSpec spec) {
  watcher_->open(id, std::move(spec));
  return promise(env, id);
}

Napi::Promise Watches::next(Napi::Env env, Watcher::Id id) {
  watcher_->next(id);
  return promise(env, id);
}

void Watches::close(Napi::Env env, Watcher::Id id) {
  watcher_->close(id);
  settle(env, id, env.Undefined());
}

Napi::Promise Watches::promise(Napi::Env env, Watcher::Id id) {
  if (pending_.empty()) {
    wake_.Ref(env);
  }
  return pending_.emplace(id, Napi::Promise::Deferred::New(env)).first->second.Promise();
}

void Watches::settle(Napi::Env env, Watcher::Id id, Napi::Value value) {
  const auto pending = pending_.find(id);
  if (pending == pending_.end()) {
    return;
  }
  const Napi::Promise::Deferred deferred = pending->second;
  pending_.erase(pending);
  if (pending_.empty()) {
    wake_.Unref(env);
  }
  deferred.Resolve(value);
}

void Watches::call(Napi::Env env, Napi::Function, Watches* watches, void*) {
  if (static_cast<napi_env>(env) != nullptr) {
    watches->deliver(env);
  }
}

void Watches::deliver(Napi::Env env) {
  for (Watcher::Delivery& delivery : watcher_->take()) {
    const Napi::HandleScope scope(env);
    const Watcher::Id id = delivery.id;
    if (pending_.contains(id)) {
      settle(env, id, toJavaScript(env, toValue(std::move(delivery))));
    }
  }
}

void Watches::shutdown() {
  if (watcher_) {
    watcher_.reset();
    // Aborts queued calls, whose target no longer exists.
    wake_.Abort();
  }
}

}  // namespace vethwork
