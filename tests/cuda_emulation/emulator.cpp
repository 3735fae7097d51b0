// Runs the blocks of a launch one after the other, the threads of a block as fibers in a random order. A thread runs
// until it waits for others (a barrier, an exchange between lanes) or ends; when none can run, those that have all met
// are let go. What real hardware would leave undefined is reported, and the launch fails.
#include <cuda_runtime.h>
#undef threadIdx
#undef blockIdx
#undef gridDim
#undef blockDim

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "fibers.h"

#if defined(EMULATION_TSAN)
extern "C" {
void __tsan_acquire(void* at);
void __tsan_release(void* at);
// Volatile accesses count as relaxed atomic ones (--param=tsan-distinguish-volatile=1).
void __tsan_volatile_read4(void*) {}
void __tsan_volatile_read8(void*) {}
}
#else
static void __tsan_acquire(void*) {}
static void __tsan_release(void*) {}
#endif

namespace emulated {

Indices now;

namespace {

constexpr unsigned kWarp = 32, kMostThreads = 1024;
constexpr size_t kMostShared = 48 << 10, kMostArguments = 4096;

void run_threads();

struct Thread {
  Fiber fiber{run_threads};
  dim3 index;
  unsigned number = 0;
  bool done = true;
  // What it waits for, with what it brings and where; what it is given.
  Meeting waits = Meeting::kNone;
  unsigned mask = 0;
  uint64_t value = 0, result = 0;
  int argument = 0, width = kWarp;
  Place place;
};

std::string from_environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value ? value : otherwise;
}

const std::string order = from_environment("EMULATED_ORDER", "random");
const unsigned most_blocks = static_cast<unsigned>(std::stoul(from_environment("EMULATED_GRID", "2147483647")));
std::mt19937 random_bits(static_cast<unsigned>(std::stoul(from_environment("EMULATED_SEED", "0"))));

std::mutex one_launch_at_a_time;
std::vector<std::unique_ptr<Thread>> pool;
std::vector<Thread*> threads;  // of the block, by number
Thread* current = nullptr;
const std::function<void()>* body = nullptr;
const char* kernel_name = "";
std::set<std::string> problems;

std::map<int, void*> static_arrays;
void* dynamic_array = nullptr;
std::vector<void*> shared_memory;  // of the blocks so far
size_t shared_bytes = 0;

// What ThreadSanitizer is told to order things by. Barriers have two in turn: who is fast must not lend its later
// writes to who has yet to leave this barrier.
char begun, ended, block_tokens[2], warp_tokens[kMostThreads / kWarp][2];
int block_phase, warp_phase[kMostThreads / kWarp];

std::string text(const Place& place) { return std::string(place.file_name()) + ":" + std::to_string(place.line()); }

bool same_place(const Place& a, const Place& b) {
  return a.line() == b.line() && strcmp(a.file_name(), b.file_name()) == 0;
}

template <class T>
void arrange(std::vector<T>& items) {
  if (order == "random") std::shuffle(items.begin(), items.end(), random_bits);
  if (order == "backward") std::reverse(items.begin(), items.end());
}

// The whole life of a fiber: one thread after the other.
void run_threads() {
  Fiber::entered();
  for (;;) {
    __tsan_acquire(&begun);
    (*body)();
    __tsan_release(&ended);
    current->done = true;
    current->fiber.leave();
  }
}

void resume(Thread& thread) {
  current = &thread;
  now.thread = thread.index;
  thread.fiber.resume();
  current = nullptr;
}

// The lanes of a warp that live, and what one of them is given by a collective.
struct Warp {
  Thread* lanes[kWarp] = {};  // null: has ended, or never was
  int count = 0;

  explicit Warp(unsigned number) {
    for (unsigned i = number * kWarp; i < threads.size() && count < static_cast<int>(kWarp); ++i, ++count) {
      lanes[count] = threads[i]->done ? nullptr : threads[i];
    }
  }

  static bool named(unsigned mask, int lane) { return mask >> lane & 1; }

  // Whether all that the mask of `thread` names have come to where it waits.
  bool complete(const Thread& thread) const {
    for (int lane = 0; lane < count; ++lane) {
      if (!named(thread.mask, lane) || !lanes[lane]) continue;
      const Thread& other = *lanes[lane];
      if (other.waits != thread.waits || other.mask != thread.mask || !same_place(other.place, thread.place)) {
        return false;
      }
    }
    return true;
  }

  uint64_t ballot(unsigned mask) const {
    uint64_t bits = 0;
    for (int lane = 0; lane < count; ++lane) {
      if (named(mask, lane) && lanes[lane] && lanes[lane]->value) bits |= uint64_t(1) << lane;
    }
    return bits;
  }

  // The lane that `lane` reads in a shuffle.
  int source(int lane) const {
    const Thread& thread = *lanes[lane];
    const int first = lane / thread.width * thread.width, within = lane - first;
    int from = within;
    if (thread.waits == Meeting::kXor) from = within ^ thread.argument;
    if (thread.waits == Meeting::kDown) from = within + thread.argument;
    if (thread.waits == Meeting::kUp) from = within - thread.argument;
    if (thread.waits == Meeting::kIndex) from = (thread.argument % thread.width + thread.width) % thread.width;
    return from < 0 || from >= thread.width ? lane : first + from;
  }

  uint64_t answer(int lane, uint64_t votes) const {
    const Thread& thread = *lanes[lane];
    switch (thread.waits) {
      case Meeting::kWarp:
        return 0;
      case Meeting::kAny:
        return votes != 0;
      case Meeting::kAll: {
        unsigned living = 0;
        for (int other = 0; other < count; ++other) living |= lanes[other] ? 1u << other : 0;
        return votes == (thread.mask & living);
      }
      case Meeting::kBallot:
        return votes;
      default: {
        const int from = source(lane);
        if (from < count && lanes[from] && named(thread.mask, from)) return lanes[from]->value;
        complain("a shuffle reads a lane that takes no part", thread.place);
        return ~uint64_t(0);
      }
    }
  }
};

// Lets those lanes of a warp go that have met; whether there were any.
bool release_warp(unsigned number) {
  const Warp warp(number);
  unsigned released = 0;
  for (int lane = 0; lane < warp.count; ++lane) {
    Thread* const thread = warp.lanes[lane];
    if (!thread || thread->waits == Meeting::kNone || thread->waits == Meeting::kBlock || released >> lane & 1)
      continue;
    if (!Warp::named(thread->mask, lane)) complain("a lane calls a collective that its mask leaves out", thread->place);
    if (!warp.complete(*thread)) continue;
    const uint64_t votes = warp.ballot(thread->mask);
    for (int other = 0; other < warp.count; ++other) {
      if (!Warp::named(thread->mask, other)) continue;
      if (warp.lanes[other]) {
        warp.lanes[other]->result = warp.answer(other, votes);
        released |= 1u << other;
      } else if (thread->waits != Meeting::kWarp) {
        complain("a lane that the mask names has ended", thread->place);
      }
    }
  }
  for (int lane = 0; lane < warp.count; ++lane) {
    if (released >> lane & 1) warp.lanes[lane]->waits = Meeting::kNone;
  }
  if (released) ++warp_phase[number];
  return released != 0;
}

// Lets a whole block go that waits at a barrier; whether it does.
bool release_block() {
  const Thread* first = nullptr;
  bool ended_early = false;
  for (const Thread* thread : threads) {
    if (thread->done) {
      ended_early = true;
      continue;
    }
    if (thread->waits != Meeting::kBlock) return false;
    if (!first) first = thread;
    if (!same_place(thread->place, first->place)) {
      complain("threads of a block wait at different __syncthreads", first->place);
    }
  }
  if (ended_early) complain("__syncthreads while other threads of the block have ended", first->place);
  for (Thread* thread : threads) thread->waits = Meeting::kNone;
  ++block_phase;
  return true;
}

// Nobody can run and nobody has met: ends the block. Its fibers are never resumed again.
void give_up() {
  std::set<std::string> places;
  for (const Thread* thread : threads) places.insert(thread->done ? "their end" : text(thread->place));
  std::string list;
  for (const std::string& place : places) list += " " + place;
  problems.insert(std::string(kernel_name) + ": deadlock, threads wait at" + list);
  for (auto& thread : pool) (void)thread.release();
  pool.clear();
}

// Threads take fibers in a random order, so that nothing of an earlier block lies on a stack by chance.
void deal_threads(dim3 block) {
  const unsigned count = block.x * block.y * block.z;
  while (pool.size() < count) pool.push_back(std::make_unique<Thread>());
  arrange(pool);
  threads.clear();
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = *pool[i];
    thread.done = false;
    thread.waits = Meeting::kNone;
    thread.number = i;
    thread.index = dim3(i % block.x, i / block.x % block.y, i / block.x / block.y);
    threads.push_back(&thread);
  }
}

void run_block(dim3 block) {
  deal_threads(block);
  std::vector<Thread*> ready = threads;
  while (!ready.empty()) {
    arrange(ready);
    for (Thread* thread : ready) resume(*thread);
    ready.clear();
    bool alive = false, any = false;
    for (const Thread* thread : threads) alive = alive || !thread->done;
    if (!alive) return;
    for (unsigned warp = 0; warp * kWarp < threads.size(); ++warp) any = release_warp(warp) || any;
    if (!any && !release_block()) return give_up();
    for (Thread* thread : threads) {
      if (!thread->done && thread->waits == Meeting::kNone) ready.push_back(thread);
    }
  }
}

void* shared_array(size_t size) {
  void* at = nullptr;
  if (posix_memalign(&at, 16, size)) abort();
  memset(at, 0xff, size);  // NaN, -1: nothing may be read before it is written
  shared_memory.push_back(at);
  shared_bytes += size;
  return at;
}

void free_shared() {
  for (void* at : shared_memory) free(at);
  shared_memory.clear();
}

void begin_block(unsigned number, size_t shared) {
  static_arrays.clear();
  shared_bytes = 0;
  block_phase = 0;
  for (int& phase : warp_phase) phase = 0;
  dynamic_array = shared ? shared_array(shared) : nullptr;
  now.block = dim3(number);
  __tsan_release(&begun);
}

}  // namespace

const char* library() {
  static const std::string name = from_environment("EMULATED_LIBRARY", "photoflow");
  return name.c_str();
}

int architecture() {
  static const int number = std::stoi(from_environment("EMULATED_ARCHITECTURE", "900"));
  return number;
}

void complain(const std::string& what, const Place& place) {
  problems.insert(std::string(kernel_name) + ": " + what + " at " + text(place));
}

void* dynamic_shared() { return dynamic_array; }

void* static_shared(int id, size_t size) {
  void*& at = static_arrays[id];
  if (!at) at = shared_array(size);  // exactly as large as asked, so that AddressSanitizer sees the end
  return at;
}

void meet_block(const Place& place) {
  current->waits = Meeting::kBlock;
  current->place = place;
  char* const token = &block_tokens[block_phase & 1];
  __tsan_release(token);
  current->fiber.leave();
  __tsan_acquire(token);
}

uint64_t meet_warp(Meeting kind, unsigned mask, uint64_t value, int argument, int width, const Place& place) {
  Thread* const me = current;
  me->waits = kind;
  me->mask = mask;
  me->value = value;
  me->argument = argument;
  me->width = width;
  me->place = place;
  const unsigned warp = me->number / kWarp;
  char* const token = &warp_tokens[warp][warp_phase[warp] & 1];
  // Of the collectives only the barrier orders memory.
  if (kind == Meeting::kWarp) __tsan_release(token);
  me->fiber.leave();
  if (kind == Meeting::kWarp) __tsan_acquire(token);
  return me->result;
}

void run(const char* kernel, const Place& place, dim3 grid, dim3 block, size_t shared, size_t argument_bytes,
         const std::function<void()>& what) {
  const std::lock_guard<std::mutex> lock(one_launch_at_a_time);
  const unsigned count = block.x * block.y * block.z;
  const std::string launch = " (" + text(place) + ", grid " + std::to_string(grid.x) + ", block " +
                             std::to_string(count) + ", shared " + std::to_string(shared) + ")";
  if (grid.x < 1 || grid.x > 2147483647u || count < 1 || count > kMostThreads || argument_bytes > kMostArguments) {
    throw std::runtime_error(std::string(kernel) + ": the launch is refused" + launch);
  }
  kernel_name = kernel;
  body = &what;
  problems.clear();
  // Every kernel strides over the grid: fewer blocks make the loops go round.
  grid.x = std::min(grid.x, most_blocks);
  now.blocks = grid;
  now.threads = block;
  std::vector<unsigned> blocks(grid.x);
  for (unsigned i = 0; i < grid.x; ++i) blocks[i] = i;
  arrange(blocks);
  for (unsigned number : blocks) {
    begin_block(number, shared);
    run_block(block);
    if (shared_bytes > kMostShared) problems.insert(std::string(kernel) + ": more than 48 KiB of shared memory");
#if !defined(EMULATION_TSAN)  // which must not take one block's memory for another's
    free_shared();
#endif
  }
  __tsan_acquire(&ended);
  free_shared();
  if (problems.empty()) return;
  std::string all = "EMULATOR:";
  for (const std::string& problem : problems) all += "\n  " + problem;
  fprintf(stderr, "%s%s\n", all.c_str(), launch.c_str());
  throw std::runtime_error(all + launch);
}

}  // namespace emulated
