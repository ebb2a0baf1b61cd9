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

/// Listens to what the kernel tells of namespaces, on one thread for all of them.
///
/// Nothing is read before it is asked for: what has happened meanwhile waits in the socket's buffer, and a consumer
/// that does not keep up makes the kernel drop events, which is told, rather than memory grow.
class Watcher {
 public:
  using Id = std::uint32_t;

  /// The answer to one `open` or `next`.
  struct Delivery {
    Id id;
    List events;
    /// After these events some were lost; what follows is complete again.
    bool overflow = false;
    /// The namespace is gone or the watch failed: nothing follows.
    bool ended = false;
    int error = 0;
    std::string text;
  };

  /// Called on the watcher's thread when there is something to `take` and there was not before.
  using OnDelivery = std::function<void()>;

  /// The process's own namespace is that of the calling thread. @throws std::system_error
  explicit Watcher(OnDelivery onDelivery);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Answered with no events once nothing is missed any more.
  void open(Id id, WatchSpec spec);
  /// Answered as soon as there are events. One at a time.
  void next(Id id);
  /// What was asked for is not answered any more.
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
  void endWhereGone();
  void end(Watch& watch);
  void deliver(Delivery delivery);
  void listen(int fd, std::uint32_t events, std::uint64_t source);

  OnDelivery onDelivery_;
  UniqueFd home_;
  UniqueFd wake_;
  UniqueFd poll_;
  /// Readable after every change of what is mounted: namespaces are pinned by mounts.
  UniqueFd mounts_;

  // Of the watcher's thread.
  Watches watches_;
  ThreadHome threadHome_;
  std::vector<std::uint8_t> buffer_;
  bool stopping_ = false;

  std::mutex mutex_;
  std::vector<Command> commands_;
  std::vector<Delivery> deliveries_;

  std::thread thread_;
};

}  // namespace vethwork
