#include "engine/watcher.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "engine/signals_blocked.h"

namespace vethwork {

/// Identity of an open namespace file. Not in the unnamed namespace: Watcher::Watch has external linkage.
struct WatchedIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const WatchedIdentity&) const = default;
};

namespace {

/// Maximum of datagrams that are read for one delivery.
constexpr std::size_t maximumRead = 256;
/// The same for the last delivery, after the namespace was deleted.
constexpr std::size_t maximumLastRead = 1 << 16;

/// Event sources of epoll: a socket of a watch, the process of a watch, or a descriptor of the watcher itself.
constexpr std::size_t processSlot = 3;
constexpr std::uint64_t wakeSource = ~std::uint64_t{0};
constexpr std::uint64_t mountsSource = wakeSource - 1;

std::uint64_t sourceOf(Watcher::Id id, std::size_t slot) { return std::uint64_t{id} << 2 | slot; }

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  return UniqueFd(fd);
}

/// Opens a pidfd of the process in a path such as /proc/123/ns/net; empty if the path names none, or it cannot be
/// watched.
UniqueFd processOf(const std::string& path) {
  constexpr std::string_view folder = "/proc/";
  int pid = 0;
  if (!path.starts_with(folder) ||
      std::from_chars(path.data() + folder.size(), path.data() + path.size(), pid).ec != std::errc()) {
    return {};
  }
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

WatchedIdentity identityOf(const struct stat& status) { return {status.st_dev, status.st_ino}; }

/// Reads pending datagrams, up to a maximum, into the delivery.
void readInto(Watcher::Delivery& delivery, EventSocket& socket, std::span<std::uint8_t> buffer, std::size_t most) {
  for (std::size_t count = 0; count < most; ++count) {
    const std::int64_t received = socket.receive(buffer);
    if (received == -EINTR) {
      continue;
    }
    if (received == -EAGAIN) {
      return;
    }
    if (received == -ENOBUFS || received == -EMSGSIZE) {
      // The pending events are older than the lost ones. Delivered later, they would report deleted objects as
      // existing.
      socket.drain();
      delivery.overflow = true;
      return;
    }
    if (received < 0) {
      delivery.ended = true;
      delivery.error = static_cast<int>(-received);
      return;
    }
    MessageReader reader(Span(buffer).first(static_cast<std::size_t>(received)));
    while (const auto message = reader.next()) {
      if (Value event = decodeEvent(*message); !event.isNull()) {
        delivery.events.push_back(std::move(event));
      }
    }
  }
}

}  // namespace

struct Watcher::Watch {
  Id id;
  NamespaceReference netns;
  WatchedIdentity identity;
  /// Readable after the process that names the namespace has ended.
  UniqueFd process;
  std::vector<EventSocket> sockets;
  /// A `next` is pending.
  bool isRequested = false;
  /// Events that were pending when the namespace was deleted.
  Delivery last{};
};

Watcher::Watcher(OnDelivery onDelivery)
    : onDelivery_(std::move(onDelivery)),
      originalNamespace_(currentNamespace()),
      wake_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      poll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      mounts_(checked(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), "/proc/self/mountinfo")),
      threadNamespace_(originalNamespace_.get()),
      buffer_(64 << 10) {
  listen(wake_.get(), EPOLLIN, wakeSource);
  listen(mounts_.get(), EPOLLPRI, mountsSource);
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { work(); });
}

Watcher::~Watcher() {
  post([this] { stopping_ = true; });
  thread_.join();
}

void Watcher::open(Id id, WatchSpec spec) {
  post([this, id, spec = std::move(spec)] { start(id, spec); });
}

void Watcher::next(Id id) {
  post([this, id] { arm(id); });
}

void Watcher::close(Id id) {
  post([this, id] { watches_.erase(id); });
}

std::vector<Watcher::Delivery> Watcher::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(deliveries_, {});
}

void Watcher::post(Command command) {
  const std::lock_guard lock(mutex_);
  commands_.push_back(std::move(command));
  if (commands_.size() == 1) {
    ::eventfd_write(wake_.get(), 1);
  }
}

void Watcher::deliver(Delivery delivery) {
  {
    const std::lock_guard lock(mutex_);
    deliveries_.push_back(std::move(delivery));
    if (deliveries_.size() > 1) {
      return;
    }
  }
  onDelivery_();
}

void Watcher::work() {
  ::pthread_setname_np(::pthread_self(), "vethwork-watch");
  std::array<epoll_event, 64> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
      handle(event.data.u64);
    }
  }
}

void Watcher::handle(std::uint64_t source) {
  if (source == wakeSource) {
    runCommands();
    return;
  }
  if (source == mountsSource) {
    endDeletedNamespaces();
    return;
  }
  const auto found = watches_.find(static_cast<Id>(source >> 2));
  if (found == watches_.end()) {
    return;
  }
  Watch& watch = *found->second;
  const std::size_t slot = source & 3;
  if (slot == processSlot) {
    end(watch);
  } else if (watch.isRequested && slot < watch.sockets.size()) {
    read(watch, slot);
  }
}

void Watcher::runCommands() {
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  std::vector<Command> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (const Command& command : commands) {
    command();
  }
}

void Watcher::listen(int fd, std::uint32_t events, std::uint64_t source) {
  epoll_event event{.events = events, .data = {.u64 = source}};
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

void Watcher::start(Id id, const WatchSpec& spec) {
  Delivery opened{.id = id};
  try {
    auto watch = std::make_unique<Watch>(Watch{.id = id, .netns = spec.netns});
    watch->process = processOf(spec.netns.path());
    const UniqueFd fd = spec.netns.isOwn() ? UniqueFd() : spec.netns.open();
    const int target = fd ? fd.get() : originalNamespace_.get();
    struct stat status {};
    if (::fstat(target, &status) != 0) {
      throw std::system_error(errno, std::generic_category(), spec.netns.path());
    }
    watch->identity = identityOf(status);
    const NamespaceEntry entry(threadNamespace_, target);
    for (const int protocol : {NETLINK_ROUTE, NETLINK_NETFILTER}) {
      std::vector<unsigned int> groups;
      std::vector<std::uint16_t> types;
      for (const Topic* topic : spec.topics) {
        if (topic->protocol == protocol) {
          groups.insert(groups.end(), topic->groups.begin(), topic->groups.end());
          types.insert(types.end(), topic->types.begin(), topic->types.end());
        }
      }
      if (groups.empty()) {
        continue;
      }
      EventSocket& socket = watch->sockets.emplace_back(protocol, groups, spec.bufferBytes);
      if (!types.empty()) {
        socket.keepOnly(types);
      }
      listen(socket.fd(), EPOLLONESHOT, sourceOf(id, watch->sockets.size() - 1));
    }
    if (watch->process) {
      listen(watch->process.get(), EPOLLIN | EPOLLONESHOT, sourceOf(id, processSlot));
    }
    watches_.emplace(id, std::move(watch));
  } catch (const std::system_error& error) {
    opened.ended = true;
    opened.error = error.code().value();
    opened.text = error.what();
  }
  deliver(std::move(opened));
}

void Watcher::arm(Id id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) {
    return;
  }
  Watch& watch = *found->second;
  if (watch.sockets.empty()) {
    deliver(std::move(watch.last));
    watches_.erase(found);
    return;
  }
  watch.isRequested = true;
  for (std::size_t slot = 0; slot < watch.sockets.size(); ++slot) {
    // One-shot: a pending socket error would otherwise be reported continuously while no `next` is pending.
    epoll_event event{.events = EPOLLIN | EPOLLONESHOT, .data = {.u64 = sourceOf(id, slot)}};
    ::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, watch.sockets[slot].fd(), &event);
  }
}

void Watcher::read(Watch& watch, std::size_t socket) {
  Delivery delivery{.id = watch.id};
  readInto(delivery, watch.sockets[socket], buffer_, maximumRead);
  if (delivery.events.empty() && !delivery.overflow && !delivery.ended) {
    arm(watch.id);
    return;
  }
  watch.isRequested = false;
  if (delivery.ended) {
    watches_.erase(watch.id);
  }
  deliver(std::move(delivery));
}

void Watcher::endDeletedNamespaces() {
  for (const auto& [id, watch] : watches_) {
    if (watch->sockets.empty() || watch->netns.isOwn() || watch->process) {
      continue;
    }
    struct stat status {};
    if (::stat(watch->netns.path().c_str(), &status) != 0 || identityOf(status) != watch->identity) {
      end(*watch);
    }
  }
}

/// Closes the sockets at once, because they keep the namespace alive.
void Watcher::end(Watch& watch) {
  watch.last = {.id = watch.id, .ended = true};
  for (EventSocket& socket : watch.sockets) {
    readInto(watch.last, socket, buffer_, maximumLastRead);
  }
  watch.last.ended = true;
  watch.sockets.clear();
  if (watch.isRequested) {
    watch.isRequested = false;
    post([this, id = watch.id] { arm(id); });
  }
}

}  // namespace vethwork
