#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/watch_spec.h"
#include "netlink/event_socket.h"
#include "netns/entry.h"
#include "value/value.h"

namespace vethwork {

/// Receives netlink notifications of any number of namespaces on one thread.
///
/// A datagram is read only on demand. Pending events stay in the receive buffer of the socket. A slow consumer causes
/// the kernel to drop events, which is reported as an overflow, and never unbounded memory use.
class Watcher {
 public:
  using Id = std::uint32_t;

  /// Answer to one `open` or `next`.
  struct Delivery {
    Id id;
    List events;
    /// Events were lost after those of this delivery. Later deliveries are complete again.
    bool overflow = false;
    /// The namespace was deleted or the watch failed: no delivery follows.
    bool ended = false;
    int error = 0;
    std::string text;
  };

  /// Called on the watcher's thread when `take` has deliveries and had none before.
  using OnDelivery = std::function<void()>;

  /// The namespace of the calling thread is taken as that of the process. @throws std::system_error
  explicit Watcher(OnDelivery onDelivery);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Answered without events as soon as no event can be missed.
  void open(Id id, WatchSpec spec);
  /// Answered when events are available. One call at a time for each watch.
  void next(Id id);
  /// Pending calls are not answered.
  void close(Id id);

  std::vector<Delivery> take();

 private:
  struct Watch;
  using Watches = std::map<Id, std::unique_ptr<Watch>>;
  using Command = std::function<void()>;

  void post(Command command);
  void work();
  void handle(std::uint64_t source);
  void runCommands();
  void start(Id id, const WatchSpec& spec);
  void arm(Id id);
  void read(Watch& watch, std::size_t socket);
  void endDeletedNamespaces();
  void end(Watch& watch);
  void deliver(Delivery delivery);
  void listen(int fd, std::uint32_t events, std::uint64_t source);

  OnDelivery onDelivery_;
  UniqueFd originalNamespace_;
  UniqueFd wake_;
  UniqueFd poll_;
  /// Readable after each change of the mounts: namespaces are pinned by bind mounts.
  UniqueFd mounts_;

  // Used by the watcher's thread only.
  Watches watches_;
  OriginalNamespace threadNamespace_;
  std::vector<std::uint8_t> buffer_;
  bool stopping_ = false;

  std::mutex mutex_;
  std::vector<Command> commands_;
  std::vector<Delivery> deliveries_;

  std::thread thread_;
};

}  // namespace vethwork
