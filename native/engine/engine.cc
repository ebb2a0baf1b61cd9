#include "engine/engine.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "engine/signals_blocked.h"

namespace vethwork {
namespace {

/// Enough for deletions, which mostly wait, to overlap; the kernel does the rest under one lock anyway.
constexpr std::size_t maximumThreads = 8;

/// Besides these, threads that wait for a program, a connection or an answer; more such requests have to queue.
constexpr std::size_t maximumPatientThreads = 32;

/// For how long a thread stays awake for a transaction that is expected: checking one takes less, waking up as long.
constexpr std::chrono::microseconds patience{200};
constexpr int pausesAtOnce = 16;

/// What is sent together, or little more: a longer send saves nothing, and keeps its processor for as long.
constexpr std::size_t maximumJoined = 128;

/// Namespaces whose sockets stay open while their next requests wait; descriptors must not grow with namespaces.
constexpr std::size_t maximumOpen = 64;

/// Tells the processor that this is a loop that waits.
void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

bool waits(const Request& request) {
  const auto* direct = std::get_if<DirectOperation>(&request.kind->how);
  return direct != nullptr && direct->waits;
}

}  // namespace

Engine::Engine(OnDone onDone)
    : onDone_(std::move(onDone)), home_(currentNamespace()), stopFd_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stopFd_) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  // Nothing is allocated by a thread that falls asleep.
  sleepers_.reserve(maximumThreads + maximumPatientThreads);
  addThread();
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ::eventfd_write(stopFd_.get(), 1);
    while (!sleepers_.empty()) {
      call();
    }
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Engine::expect() {
  javascript_.note();
  const std::lock_guard lock(mutex_);
  // Those that are awake will look for more. With one processor, waiting would only keep JavaScript from it.
  if (!sleepers_.empty() && sleepers_.size() == living_ && javascript_.leave(sleepers_.back()->placement)) {
    expecting_ = true;
    call();
  }
}

void Engine::submit(TransactionPointer transaction) {
  transaction->results.resize(transaction->requests.size());
  if (transaction->requests.empty()) {
    onDone_(std::move(transaction));
    return;
  }
  javascript_.note();
  const std::lock_guard lock(mutex_);
  const std::size_t before = due();
  enqueue(transaction);
  wake(due() - before);
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
      dropIfIdle(queue, closing);
    }
    queue = next;
  }
}

void Engine::enqueue(const TransactionPointer& transaction) {
  Run run = nextRun(transaction);
  const NamespaceReference& netns = run.front().netns;
  // What waits for something else has a queue to itself.
  const bool patient = waits(run.front());
  QueueKey key{.netns = netns.key(), .lane = transaction->lane, .number = patient ? ++lastNumber_ : 0};
  const auto queue = queues_.try_emplace(std::move(key), netns, patient).first;
  queue->second.waiting.push_back(std::move(run));
  if (queue->second.busy || queue->second.waiting.size() > 1) {
    return;
  }
  (patient ? patient_ : ready_).push_back(queue);
}

std::size_t Engine::due() const {
  const std::size_t free = stopping_ ? patient_.size() : maximumPatientThreads - patientThreads_;
  return ready_.size() + std::min(patient_.size(), free);
}

Engine::Queues::iterator Engine::next() {
  auto& line = ready_.empty() ? patient_ : ready_;
  const auto queue = line.front();
  line.pop_front();
  return queue;
}

void Engine::wake(std::size_t count) {
  for (; count > 0; --count) {
    if (expecting_) {
      expecting_ = false;
    } else if (!sleepers_.empty()) {
      call();
    } else if (!stopping_ && living_ < maximumThreads + patientThreads_) {
      try {
        addThread();
      } catch (const std::system_error&) {
        // Those that there are do it as well; where there is none, the next call tries again.
      }
    }
  }
}

void Engine::call() {
  Sleeper& sleeper = *sleepers_.back();
  sleepers_.pop_back();
  (void)javascript_.leave(sleeper.placement);
  sleeper.isCalled = true;
  sleeper.called.notify_one();
}

void Engine::sleep(std::unique_lock<std::mutex>& lock, Sleeper& self) {
  if (due() > 0 || stopping_) {
    return;
  }
  self.isCalled = false;
  sleepers_.push_back(&self);
  self.called.wait(lock, [&] { return self.isCalled; });
  if (due() == 0 && expecting_) {
    watch(lock);
  }
}

void Engine::watch(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (expecting_ && std::chrono::steady_clock::now() < deadline) {
    for (int pause = 0; pause < pausesAtOnce; ++pause) {
      relax();
    }
    // To whoever else wants the processor.
    ::sched_yield();
  }
  lock.lock();
  expecting_ = false;
}

void Engine::addThread() {
  const SignalsBlocked blocked;
  threads_.emplace_back([this] { work(); });
  ++living_;
}

std::vector<Run> Engine::take(Queue& queue) {
  std::vector<Run> runs;
  std::size_t requests = 0;
  do {
    requests += queue.waiting.front().size();
    runs.push_back(std::move(queue.waiting.front()));
    queue.waiting.pop_front();
  } while (!queue.waiting.empty() && requests < maximumJoined && canJoin(runs.front(), queue.waiting.front()));
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

void Engine::makeReady(Queues::iterator queue, std::vector<Session>& closing) {
  ready_.push_back(queue);
  open_.push_back(queue);
  if (open_.size() > maximumOpen) {
    const auto& oldest = open_.front();
    closing.push_back(std::exchange(oldest->second.session, Session(oldest->second.session.reference())));
    open_.pop_front();
  }
}

void Engine::dropIfIdle(Queues::iterator queue, std::vector<Session>& closing) {
  const QueueKey& key = queue->first;
  const bool retained = !queue->second.patient && key.lane.empty() && retained_.contains(key.netns);
  if (!queue->second.busy && queue->second.waiting.empty() && !retained) {
    closing.push_back(std::move(queue->second.session));
    queues_.erase(queue);
  }
}

void Engine::work() {
  ::pthread_setname_np(::pthread_self(), "vethwork");
  Worker worker{.home = ThreadHome(home_.get()), .stopFd = stopFd_.get()};
  Sleeper self{.placement = {.thread = ::gettid()}};
  std::vector<TransactionPointer> done;
  std::vector<Session> closing;
  std::unique_lock lock(mutex_);
  while (!worker.home.stranded()) {
    sleep(lock, self);
    if (due() == 0) {
      if (stopping_) {
        return;
      }
      continue;
    }
    const auto queue = next();
    std::erase(open_, queue);
    queue->second.busy = true;
    const std::vector<Run> runs = take(queue->second);
    std::vector<Run> live;
    for (const Run& run : runs) {
      if (!run.transaction->cancelled && !stopping_) {
        live.push_back(run);
      }
    }
    if (queue->second.patient) {
      // There may be one more thread now.
      ++patientThreads_;
      wake(std::min<std::size_t>(due(), 1));
    }
    lock.unlock();
    if (!live.empty()) {
      if (queue->second.patient) {
        javascript_.forget(self.placement);
      } else {
        (void)javascript_.leave(self.placement);
      }
      execute(live, queue->second.session, worker);
    }
    lock.lock();
    if (queue->second.patient) {
      --patientThreads_;
    }
    for (const Run& run : live) {
      Transaction& transaction = *run.transaction;
      for (std::size_t index = run.first; index < run.last; ++index) {
        transaction.failed = transaction.failed || transaction.results[index].state == Result::State::failed;
      }
      transaction.next = run.last;
    }
    const std::size_t before = due();
    for (const Run& run : runs) {
      if (advance(run.transaction)) {
        done.push_back(run.transaction);
      }
    }
    queue->second.busy = false;
    if (!queue->second.waiting.empty()) {
      makeReady(queue, closing);
    } else {
      dropIfIdle(queue, closing);
    }
    if (const std::size_t added = due() - before; added > 1) {
      wake(added - 1);
    }
    lock.unlock();
    // First: whoever is told may want the namespace to be gone.
    closing.clear();
    for (TransactionPointer& transaction : done) {
      onDone_(std::move(transaction));
    }
    done.clear();
    lock.lock();
  }
  // A thread that is in the wrong namespace for good leaves its work to others.
  --living_;
  wake(std::min<std::size_t>(due(), 1));
}

}  // namespace vethwork
