#include "engine/processor.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <thread>

using namespace vethwork;

TEST_CASE("a thread leaves the processor that JavaScript was last seen on, if there is another") {
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  Processor processor;
  int noted = -1;
  std::thread([&] {
    noted = ::sched_getcpu();
    CPU_SET(static_cast<unsigned>(noted), &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    processor.note();
    Placement placement{.thread = ::gettid()};
    CHECK(processor.leave(placement) == (CPU_COUNT(&allowed) > 1));
    if (CPU_COUNT(&allowed) > 1) {
      CHECK(::sched_getcpu() != noted);
    } else {
      CHECK(::sched_getcpu() == noted);
    }
    processor.forget(placement);
    cpu_set_t now;
    REQUIRE(::sched_getaffinity(0, sizeof now, &now) == 0);
    CHECK(CPU_EQUAL(&now, &allowed));
  }).join();
}
