// Fibers: threads of execution that are switched by hand, one at a time, on stacks of their own.
#pragma once

#include <cstddef>

namespace emulated {

// One fiber. It runs `entry` from the first resume() on; `entry` never returns, and gives way by leave().
class Fiber {
 public:
  explicit Fiber(void (*entry)());
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs this fiber until it leaves.
  void resume();
  // Goes from this fiber back to who resumed it.
  void leave();
  // The first thing that a fiber's entry calls.
  static void entered();

 private:
  char* stack_;
  void* saved_;           // the stack's pointer while it does not run
  void* tsan_ = nullptr;  // what ThreadSanitizer knows it by
  void* fake_ = nullptr;  // AddressSanitizer's stack beside it
};

}  // namespace emulated
