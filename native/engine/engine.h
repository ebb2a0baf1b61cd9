#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/affinity.h"
#include "engine/execute.h"
#include "engine/session.h"
#include "engine/transaction.h"

namespace vethwork {

/// Executes transactions on worker threads. Requests of one namespace and lane run in FIFO order, and queued ones are
/// sent together. Other namespaces and lanes run concurrently.
class Engine {
 public:
  /// Called once for each transaction, on a worker thread.
  using OnDone = std::function<void(TransactionPointer)>;

  /// The namespace of the calling thread is taken as that of the process. @throws std::system_error
  explicit Engine(OnDone onDone);
  /// Cancels requests that were not sent and waits for those that were.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Time that a prewoken thread spins until its transaction arrives. Checking a transaction takes less; waking a
  /// thread takes about as long.
  static constexpr std::chrono::microseconds usualSpin{200};

  /// Wakes an idle thread ahead of a `submit` that follows soon, so that its wake-up overlaps with the checks.
  /// @param spin the longest time that the thread waits for it, without sleeping
  void prewake(std::chrono::microseconds spin = usualSpin);
  /// Returns true if a thread that is awake has been waiting for the transaction.
  bool submit(TransactionPointer transaction);

  /// Keeps the sockets of a namespace open while they are idle. Calls are counted: each needs one `release`.
  void retain(const NamespaceReference& netns);
  void release(const NamespaceReference& netns);

 private:
  /// Runs that wait for one namespace and lane. At most one thread serves a queue at a time.
  struct Queue {
    Queue(const NamespaceReference& netns, bool blocks) : session(netns), isBlocking(blocks) {}
    Session session;
    std::deque<Run> waiting;
    /// Its only run waits for something other than the kernel.
    const bool isBlocking;
    bool busy = false;
    /// When its sockets became idle; absent while it is in use.
    std::optional<std::chrono::steady_clock::time_point> idleSince = {};
  };
  /// Blocking requests each have a number of their own; 0 for others.
  struct QueueKey {
    std::string netns;
    std::string lane;
    std::uint64_t number = 0;
    auto operator<=>(const QueueKey&) const = default;
  };
  using Queues = std::map<QueueKey, Queue>;

  /// A thread that waits for work.
  struct IdleThread {
    Affinity affinity;
    std::condition_variable wakeup;
    bool isWoken = false;
  };

  void work();
  void addThread();
  /// Blocks until a queue is runnable or the thread is prewoken.
  void waitForWork(std::unique_lock<std::mutex>& lock, IdleThread& self);
  /// Spins for a limited time until the transaction arrives for which the thread was prewoken.
  void spin(std::unique_lock<std::mutex>& lock);
  /// Wakes the thread that became idle last: its data is still in the processor's cache.
  void wakeOne();
  void enqueue(const TransactionPointer& transaction);
  /// Number of queues that could be served now.
  [[nodiscard]] std::size_t runnableQueues() const;
  /// Removes and returns the next queue to serve. At least one must be runnable.
  Queues::iterator next();
  /// Wakes or starts threads for this number of runnable queues.
  void wakeThreads(std::size_t count);
  /// Enqueues the next run of a transaction; returns true if it is complete.
  bool advance(const TransactionPointer& transaction);
  /// Erases a queue that is not in use. Moves its session into `closing`, for the caller to close after it has released
  /// the lock. Sockets that are slow to close stay open for a short time.
  void eraseIfIdle(Queues::iterator queue, std::vector<Session>& closing);
  /// True if one more session without work may stay open.
  [[nodiscard]] bool hasRoom() const;
  /// Adds the queue to the idle ones.
  void keepIdle(Queues::iterator queue);
  /// Removes the queue from the idle ones, because it is needed again or is erased.
  void endIdle(Queues::iterator queue);
  /// Leaves the session of an idle queue to the closing thread, and erases the queue.
  void retire(Queues::iterator queue);
  /// The closing thread: closes idle sessions.
  void closeSessions();
  /// Starts the closing thread, once. Returns false if that is impossible.
  bool startCloser();
  /// Moves a session into `closing`, or leaves it to the closing thread if it is slow to close.
  void discard(Session session, std::vector<Session>& closing);
  /// Moves the idle sessions of a namespace that is to be deleted into `closing`, and waits until the closing thread
  /// has closed those that it has begun with.
  void takeIdleOf(const NamespaceReference& netns, std::unique_lock<std::mutex>& lock, std::vector<Session>& closing);
  std::vector<Run> take(Queue& queue);
  /// Appends a queue to the ready queues. Its sockets stay open until too many other queues have been added since.
  void requeue(Queues::iterator queue, std::vector<Session>& closing);

  OnDone onDone_;
  UniqueFd originalNamespace_;
  UniqueFd stopFd_;
  JavaScriptCpu javascriptCpu_;
  std::mutex mutex_;
  Queues queues_;
  std::deque<Queues::iterator> ready_;
  /// Runnable blocking queues. They have threads of their own and never delay the ready queues.
  std::deque<Queues::iterator> blocking_;
  /// Waiting queues whose sockets are open, least recently used first.
  std::deque<Queues::iterator> withSession_;
  std::map<std::string, int> retained_;
  /// Queues without work whose sockets are still open, least recently used first.
  std::deque<Queues::iterator> idleQueues_;
  /// Sessions that the closing thread has to close.
  std::vector<Session> retired_;
  /// Paths of the namespaces whose sessions it is closing.
  std::vector<std::string> closing_;
  std::condition_variable closerWakeup_;
  std::condition_variable closed_;
  std::thread closer_;
  std::vector<std::thread> threads_;
  /// Threads that have not ended after a failed return to their original namespace.
  std::size_t threadCount_ = 0;
  std::vector<IdleThread*> idle_;
  /// A thread spins for the transaction that arrives next.
  std::atomic<bool> isPrewoken_ = false;
  std::chrono::microseconds spin_ = usualSpin;
  /// Threads that serve a blocking queue.
  std::size_t blockingThreads_ = 0;
  std::uint64_t lastNumber_ = 0;
  bool stopping_ = false;
};

}  // namespace vethwork
