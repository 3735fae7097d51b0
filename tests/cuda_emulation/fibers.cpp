#include "fibers.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#if defined(EMULATION_ASAN)
#include <sanitizer/common_interface_defs.h>
#define ASAN(call) call
#else
#define ASAN(call) (void)0
#endif

#if defined(EMULATION_TSAN)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
#define TSAN(call) call
#else
#define TSAN(call) (void)0
#endif

#if !defined(__x86_64__)
#error "the emulation switches stacks by hand, which is written for x86-64 alone"
#endif

// Saves the registers that a call keeps on this stack and its pointer in *save, and goes on from the stack `load`. It
// ends with a jump, which a processor foresees; a return to another place than that of the last call it never does.
extern "C" void emulated_switch(void** save, void* load);
asm(R"(
.text
.globl emulated_switch
.hidden emulated_switch
.type emulated_switch,@function
emulated_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  popq %rcx
  jmp *%rcx
)");

namespace emulated {
namespace {

constexpr size_t kStack = 256 << 10, kPage = 4096;
// Stacks begin at this distance from their ends, one after the other: where all began at the same place of a page, all
// would lie in the same few lines of the caches.
constexpr size_t kStep = 13 * 64, kSteps = 78;

void* outside = nullptr;  // the stack of who resumes fibers
[[maybe_unused]] void* outside_tsan = nullptr;
[[maybe_unused]] void* outside_fake = nullptr;
[[maybe_unused]] const void* outside_bottom = nullptr;
[[maybe_unused]] size_t outside_size = 0;

}  // namespace

Fiber::Fiber(void (*entry)()) {
  void* const memory = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  stack_ = static_cast<char*>(memory);
  mprotect(stack_, kPage, PROT_NONE);  // below its end
  TSAN(tsan_ = __tsan_create_fiber(0));
  static size_t made = 0;
  void** top = reinterpret_cast<void**>(stack_ + kStack - made++ % kSteps * kStep);
  *--top = nullptr;  // keep the stack aligned to 16 bytes at the entry
  *--top = nullptr;
  *--top = nullptr;  // where entry would return to
  *--top = reinterpret_cast<void*>(entry);
  for (int registers = 0; registers < 6; ++registers) *--top = nullptr;
  saved_ = top;
}

void Fiber::resume() {
  ASAN(__sanitizer_start_switch_fiber(&outside_fake, stack_, kStack));
  TSAN(outside_tsan = __tsan_get_current_fiber());
  TSAN(__tsan_switch_to_fiber(tsan_, 1));  // 1: the switch itself orders nothing
  emulated_switch(&outside, saved_);
  ASAN(__sanitizer_finish_switch_fiber(outside_fake, nullptr, nullptr));
}

void Fiber::leave() {
  ASAN(__sanitizer_start_switch_fiber(&fake_, outside_bottom, outside_size));
  TSAN(__tsan_switch_to_fiber(outside_tsan, 1));
  emulated_switch(&saved_, outside);
  ASAN(__sanitizer_finish_switch_fiber(fake_, &outside_bottom, &outside_size));
}

void Fiber::entered() { ASAN(__sanitizer_finish_switch_fiber(nullptr, &outside_bottom, &outside_size)); }

}  // namespace emulated
