#pragma once

#include <atomic>
#include <compare>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/execute.h"
#include "engine/processor.h"
#include "engine/session.h"
#include "engine/transaction.h"

namespace vethwork {

/// Does transactions on threads of its own. Requests of one namespace and lane are done in the order in which they
/// came; what waits there is sent together. Other namespaces and lanes do not wait for it.
class Engine {
 public:
  /// Called on a worker thread, once a transaction.
  using OnDone = std::function<void(TransactionPointer)>;

  /// The process's own namespace is that of the calling thread. @throws std::system_error
  explicit Engine(OnDone onDone);
  /// What was not sent is cancelled, what is under way is waited for.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// A transaction comes in a moment: a thread that would have to be woken for it is woken now.
  void expect();
  void submit(TransactionPointer transaction);

  /// Keeps a namespace's sockets open while nothing is asked of it, until released as often.
  void retain(const NamespaceReference& netns);
  void release(const NamespaceReference& netns);

 private:
  /// What waits for one namespace and lane. At most one thread serves it at a time.
  struct Queue {
    Queue(const NamespaceReference& netns, bool waits) : session(netns), patient(waits) {}
    Session session;
    std::deque<Run> waiting;
    /// Its one run waits for something other than the kernel.
    const bool patient;
    bool busy = false;
  };
  /// Everything patient has a number of its own.
  struct QueueKey {
    std::string netns;
    std::string lane;
    std::uint64_t number = 0;
    auto operator<=>(const QueueKey&) const = default;
  };
  using Queues = std::map<QueueKey, Queue>;

  /// One of the threads, while it has nothing to do.
  struct Sleeper {
    Placement placement;
    std::condition_variable called;
    bool isCalled = false;
  };

  void work();
  void addThread();
  /// Until there is something to do, or the thread was called in expectation of that.
  void sleep(std::unique_lock<std::mutex>& lock, Sleeper& self);
  /// Waits for what is expected, for a moment.
  void watch(std::unique_lock<std::mutex>& lock);
  /// Wakes the thread that fell asleep last: what it needs is still in its processor's cache.
  void call();
  void enqueue(const TransactionPointer& transaction);
  /// How many queues could be served now.
  [[nodiscard]] std::size_t due() const;
  /// Takes the queue that is to be served next; there is one.
  Queues::iterator next();
  /// Has other threads serve so many of the queues that are ready.
  void wake(std::size_t count);
  /// Moves on a transaction whose run is done; true if it is complete.
  bool advance(const TransactionPointer& transaction);
  /// The sessions in `closing` are closed when the lock is released: that takes longer than all that is done under it.
  void dropIfIdle(Queues::iterator queue, std::vector<Session>& closing);
  std::vector<Run> take(Queue& queue);
  /// Puts a queue at the end of the line. It keeps its sockets until too many others have been served since.
  void makeReady(Queues::iterator queue, std::vector<Session>& closing);

  OnDone onDone_;
  UniqueFd home_;
  UniqueFd stopFd_;
  Processor javascript_;
  std::mutex mutex_;
  Queues queues_;
  std::deque<Queues::iterator> ready_;
  /// The same for patient queues, which never keep the others from having a thread.
  std::deque<Queues::iterator> patient_;
  /// Queues with sockets that wait for their turn, the one that waits longest first.
  std::deque<Queues::iterator> open_;
  std::map<std::string, int> retained_;
  std::vector<std::thread> threads_;
  /// Those that have not left because they are stranded.
  std::size_t living_ = 0;
  std::vector<Sleeper*> sleepers_;
  /// A thread is awake for the transaction that comes next.
  std::atomic<bool> expecting_ = false;
  /// Threads that serve a patient queue.
  std::size_t patientThreads_ = 0;
  std::uint64_t lastNumber_ = 0;
  bool stopping_ = false;
};

}  // namespace vethwork
