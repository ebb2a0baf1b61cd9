#include "engine/engine.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <system_error>
#include <utility>

#include "engine/signals_blocked.h"
#include "engine/spin.h"

namespace vethwork {
namespace {

/// Worker threads for netlink requests. Deletions mostly wait for RCU, so several overlap; the kernel serialises the
/// rest under one lock (RTNL).
constexpr std::size_t maximumThreads = 8;

/// Additional threads for blocking requests: programs, connections, echo requests. Further requests queue.
constexpr std::size_t maximumBlockingThreads = 32;

/// Approximate maximum of requests in one send. Longer sends save nothing and occupy the processor for longer.
constexpr std::size_t maximumBatched = 128;

/// Maximum of waiting queues that keep their sockets open, so that descriptors do not grow with the number of
/// namespaces.
constexpr std::size_t maximumSessions = 64;

/// Maximum of sessions without work whose sockets are open, including those that the closing thread has still to close.
constexpr std::size_t maximumIdle = 32;

/// Time that the nfnetlink sockets of a namespace stay open without use. It is longer than an RCU grace period, so that
/// closing does not wait for one, and holds up no later request for the namespace: the kernel holds its lock meanwhile.
constexpr std::chrono::milliseconds idleDuration{100};

bool blocks(const Request& request) {
  const auto* direct = std::get_if<DirectOperation>(&request.kind->how);
  return direct != nullptr && direct->blocks;
}

}  // namespace

Engine::Engine(OnDone onDone)
    : onDone_(std::move(onDone)), originalNamespace_(currentNamespace()), stopFd_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stopFd_) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  // Reserved, so that a thread that becomes idle allocates nothing.
  idle_.reserve(maximumThreads + maximumBlockingThreads);
  addThread();
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ::eventfd_write(stopFd_.get(), 1);
    while (!idle_.empty()) {
      wakeOne();
    }
    closerWakeup_.notify_one();
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  if (closer_.joinable()) {
    closer_.join();
  }
}

void Engine::prewake(std::chrono::microseconds spin) {
  javascriptCpu_.record();
  const std::lock_guard lock(mutex_);
  // A running thread takes the next queue itself. With one processor, spinning would only delay JavaScript.
  if (!idle_.empty() && idle_.size() == threadCount_ && javascriptCpu_.avoid(idle_.back()->affinity)) {
    isPrewoken_ = true;
    spin_ = spin;
    wakeOne();
  }
}

bool Engine::submit(TransactionPointer transaction) {
  transaction->results.resize(transaction->requests.size());
  if (transaction->requests.empty()) {
    onDone_(std::move(transaction));
    return false;
  }
  javascriptCpu_.record();
  const std::lock_guard lock(mutex_);
  const bool wasPrewoken = isPrewoken_;
  const std::size_t before = runnableQueues();
  enqueue(transaction);
  wakeThreads(runnableQueues() - before);
  return wasPrewoken && !isPrewoken_;
}

void Engine::retain(const NamespaceReference& netns) {
  const std::lock_guard lock(mutex_);
  ++retained_[netns.key()];
}

void Engine::release(const NamespaceReference& netns) {
  std::vector<Session> closing;
  const std::lock_guard lock(mutex_);
  const auto retained = retained_.find(netns.key());
  if (retained == retained_.end() || --retained->second > 0) {
    return;
  }
  retained_.erase(retained);
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    const auto next = std::next(queue);
    if (queue->first.netns == netns.key()) {
      if (queue->second.idleSince) {
        retire(queue);
      } else {
        eraseIfIdle(queue, closing);
      }
    }
    queue = next;
  }
}

void Engine::enqueue(const TransactionPointer& transaction) {
  Run run = nextRun(transaction);
  const NamespaceReference& netns = run.front().netns;
  // Each blocking request has a queue of its own.
  const bool isBlocking = blocks(run.front());
  QueueKey key{.netns = netns.key(), .lane = transaction->lane, .number = isBlocking ? ++lastNumber_ : 0};
  const auto queue = queues_.try_emplace(std::move(key), netns, isBlocking).first;
  endIdle(queue);
  queue->second.waiting.push_back(std::move(run));
  if (queue->second.busy || queue->second.waiting.size() > 1) {
    return;
  }
  (isBlocking ? blocking_ : ready_).push_back(queue);
}

std::size_t Engine::runnableQueues() const {
  const std::size_t free = stopping_ ? blocking_.size() : maximumBlockingThreads - blockingThreads_;
  return ready_.size() + std::min(blocking_.size(), free);
}

Engine::Queues::iterator Engine::next() {
  auto& queues = ready_.empty() ? blocking_ : ready_;
  const auto queue = queues.front();
  queues.pop_front();
  return queue;
}

void Engine::wakeThreads(std::size_t count) {
  for (; count > 0; --count) {
    if (isPrewoken_) {
      isPrewoken_ = false;
    } else if (!idle_.empty()) {
      wakeOne();
    } else if (!stopping_ && threadCount_ < maximumThreads + blockingThreads_) {
      try {
        addThread();
      } catch (const std::system_error&) {
        // The existing threads serve the queue. Without any, the next call tries to start one again.
      }
    }
  }
}

void Engine::wakeOne() {
  IdleThread& thread = *idle_.back();
  idle_.pop_back();
  (void)javascriptCpu_.avoid(thread.affinity);
  thread.isWoken = true;
  thread.wakeup.notify_one();
}

void Engine::waitForWork(std::unique_lock<std::mutex>& lock, IdleThread& self) {
  if (runnableQueues() > 0 || stopping_) {
    return;
  }
  self.isWoken = false;
  idle_.push_back(&self);
  self.wakeup.wait(lock, [&] { return self.isWoken; });
  if (runnableQueues() == 0 && isPrewoken_) {
    spin(lock);
  }
}

void Engine::spin(std::unique_lock<std::mutex>& lock) {
  const auto deadline = std::chrono::steady_clock::now() + spin_;
  lock.unlock();
  spinWhile([&] { return isPrewoken_ && std::chrono::steady_clock::now() < deadline; });
  lock.lock();
  isPrewoken_ = false;
}

void Engine::addThread() {
  const SignalsBlocked blocked;
  threads_.emplace_back([this] { work(); });
  ++threadCount_;
}

std::vector<Run> Engine::take(Queue& queue) {
  std::vector<Run> runs;
  std::size_t requests = 0;
  do {
    requests += queue.waiting.front().size();
    runs.push_back(std::move(queue.waiting.front()));
    queue.waiting.pop_front();
  } while (!queue.waiting.empty() && requests < maximumBatched && canJoin(runs.front(), queue.waiting.front()));
  return runs;
}

bool Engine::advance(const TransactionPointer& transaction) {
  const bool halted = (transaction->failed && transaction->stopOnError) || transaction->cancelled || stopping_;
  if (halted || transaction->next == transaction->requests.size()) {
    return true;
  }
  enqueue(transaction);
  return false;
}

void Engine::requeue(Queues::iterator queue, std::vector<Session>& closing) {
  ready_.push_back(queue);
  withSession_.push_back(queue);
  if (withSession_.size() > maximumSessions) {
    const auto& oldest = withSession_.front();
    discard(std::exchange(oldest->second.session, Session(oldest->second.session.reference())), closing);
    withSession_.pop_front();
  }
}

void Engine::eraseIfIdle(Queues::iterator queue, std::vector<Session>& closing) {
  const QueueKey& key = queue->first;
  const bool retained = !queue->second.isBlocking && key.lane.empty() && retained_.contains(key.netns);
  if (queue->second.busy || !queue->second.waiting.empty() || retained) {
    return;
  }
  if (queue->second.session.isSlowToClose() && hasRoom() && startCloser()) {
    keepIdle(queue);
    return;
  }
  closing.push_back(std::move(queue->second.session));
  queues_.erase(queue);
}

bool Engine::hasRoom() const { return idleQueues_.size() + retired_.size() + closing_.size() < maximumIdle; }

void Engine::discard(Session session, std::vector<Session>& closing) {
  if (!session.isSlowToClose() || !hasRoom() || !startCloser()) {
    closing.push_back(std::move(session));
    return;
  }
  retired_.push_back(std::move(session));
  closerWakeup_.notify_one();
}

void Engine::keepIdle(Queues::iterator queue) {
  queue->second.idleSince = std::chrono::steady_clock::now();
  idleQueues_.push_back(queue);
  if (idleQueues_.size() == 1) {
    closerWakeup_.notify_one();
  }
}

void Engine::endIdle(Queues::iterator queue) {
  if (queue->second.idleSince) {
    queue->second.idleSince.reset();
    std::erase(idleQueues_, queue);
  }
}

void Engine::retire(Queues::iterator queue) {
  endIdle(queue);
  retired_.push_back(std::move(queue->second.session));
  queues_.erase(queue);
  closerWakeup_.notify_one();
}

bool Engine::startCloser() {
  if (!closer_.joinable() && !stopping_) {
    try {
      const SignalsBlocked blocked;
      closer_ = std::thread([this] { closeSessions(); });
    } catch (const std::system_error&) {
      return false;
    }
  }
  return !stopping_;
}

void Engine::closeSessions() {
  ::pthread_setname_np(::pthread_self(), "vethwork-close");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto expired = std::chrono::steady_clock::now() - idleDuration;
    while (!idleQueues_.empty() && *idleQueues_.front()->second.idleSince <= expired) {
      retire(idleQueues_.front());
    }
    if (!retired_.empty()) {
      std::vector<Session> sessions = std::exchange(retired_, {});
      for (const Session& session : sessions) {
        closing_.push_back(session.reference().path());
      }
      lock.unlock();
      sessions.clear();
      lock.lock();
      closing_.clear();
      closed_.notify_all();
    } else if (idleQueues_.empty()) {
      closerWakeup_.wait(lock);
    } else {
      closerWakeup_.wait_until(lock, *idleQueues_.front()->second.idleSince + idleDuration);
    }
  }
}

void Engine::takeIdleOf(const NamespaceReference& netns, std::unique_lock<std::mutex>& lock,
                        std::vector<Session>& closing) {
  const std::string& path = netns.path();
  const std::deque<Queues::iterator> idle = idleQueues_;
  for (const auto& queue : idle) {
    if (queue->second.session.reference().path() == path) {
      retire(queue);
    }
  }
  const auto others = std::stable_partition(retired_.begin(), retired_.end(),
                                            [&](const Session& session) { return session.reference().path() != path; });
  std::move(others, retired_.end(), std::back_inserter(closing));
  retired_.erase(others, retired_.end());
  closed_.wait(lock, [&] { return std::ranges::find(closing_, path) == closing_.end(); });
}

void Engine::work() {
  ::pthread_setname_np(::pthread_self(), "vethwork");
  Worker worker{.original = OriginalNamespace(originalNamespace_.get()), .stopFd = stopFd_.get()};
  IdleThread self{.affinity = {.thread = ::gettid()}};
  std::vector<TransactionPointer> done;
  std::vector<Session> closing;
  std::unique_lock lock(mutex_);
  while (!worker.original.restoreFailed()) {
    waitForWork(lock, self);
    if (runnableQueues() == 0) {
      if (stopping_) {
        return;
      }
      continue;
    }
    const auto queue = next();
    std::erase(withSession_, queue);
    queue->second.busy = true;
    const std::vector<Run> runs = take(queue->second);
    std::vector<Run> live;
    for (const Run& run : runs) {
      if (!run.transaction->cancelled && !stopping_) {
        live.push_back(run);
      }
    }
    if (queue->second.isBlocking) {
      // This thread no longer counts towards the limit.
      ++blockingThreads_;
      wakeThreads(std::min<std::size_t>(runnableQueues(), 1));
    }
    if (!live.empty() && replacesNamespace(live.front().front())) {
      takeIdleOf(queue->second.session.reference(), lock, closing);
    }
    lock.unlock();
    closing.clear();
    if (!live.empty()) {
      if (queue->second.isBlocking) {
        javascriptCpu_.unrestrict(self.affinity);
      } else {
        (void)javascriptCpu_.avoid(self.affinity);
      }
      execute(live, queue->second.session, worker);
    }
    lock.lock();
    if (queue->second.isBlocking) {
      --blockingThreads_;
    }
    for (const Run& run : live) {
      Transaction& transaction = *run.transaction;
      for (std::size_t index = run.first; index < run.last; ++index) {
        transaction.failed = transaction.failed || transaction.results[index].state == Result::State::failed;
      }
      transaction.next = run.last;
    }
    const std::size_t before = runnableQueues();
    for (const Run& run : runs) {
      if (advance(run.transaction)) {
        done.push_back(run.transaction);
      }
    }
    queue->second.busy = false;
    if (!queue->second.waiting.empty()) {
      requeue(queue, closing);
    } else {
      eraseIfIdle(queue, closing);
    }
    if (const std::size_t added = runnableQueues() - before; added > 1) {
      wakeThreads(added - 1);
    }
    lock.unlock();
    // Before results are delivered: the caller may expect the namespace to be released.
    std::erase_if(closing, [](const Session& session) { return !session.isSlowToClose(); });
    for (TransactionPointer& transaction : done) {
      onDone_(std::move(transaction));
    }
    done.clear();
    closing.clear();
    lock.lock();
  }
  // A thread that could not return to its original namespace ends; another thread takes over.
  --threadCount_;
  wakeThreads(std::min<std::size_t>(runnableQueues(), 1));
}

}  // namespace vethwork
