// Experts that are read from the file when tokens ask for them: slots of memory, and threads that read into
// them and pack (docs/streaming.md). Which experts are in memory decides the speed, never a bit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "core/buffer.h"
#include "core/interruption.h"
#include "model/expert_policy.h"
#include "model/expert_source.h"

namespace pestle {

struct Decoder;

// What has been, since the model was loaded. An expert counts once for every pass of a layer that asks for
// it.
struct ExpertTraffic {
  uint64_t asked = 0, hits = 0;  // hits: it was there, and not because of a read for this pass
  uint64_t reads = 0;            // experts
  uint64_t read_bytes = 0;
  uint64_t tokens = 0;       // in passes, counted in the first layer that has experts
  double stall_seconds = 0;  // that products have waited for reads
  uint64_t stall_bytes = 0;  // ... which came meanwhile
  uint64_t guesses = 0;      // experts that the next layer was guessed to ask for
  uint64_t right = 0;        // ... and did
};

class ExpertStream {
 public:
  // MemoryLimitError where `budget` bytes do not hold what one token asks for in a layer.
  ExpertStream(const gguf::File& file, const Decoder& decoder, std::vector<PackJob> jobs, size_t budget);
  ~ExpertStream();
  ExpertStream(const ExpertStream&) = delete;

  const ExpertLayout& layout() const { return layout_; }
  int n_slots() const { return static_cast<int>(slots_.size()); }
  const ExpertSource& source() const { return source_; }
  ExpertTraffic traffic() const;

  // A guess: what `layer`, the next one, will ask for in this pass, the likeliest first.
  void foresee(int layer, std::span<const int> experts);

  class Lease;

 private:
  // A guess that is wrong keeps readers from what is asked for as long as one that is right helps them.
  static constexpr float kLeastRight = 0.5f;
  enum Phase { kGateUp, kDown, kPhases };
  struct Slot {
    int expert = -1;  // through all layers; -1: nothing, or what nobody wants any more
    int pins = 0;
    int pending[kPhases] = {};  // pieces that are still to be read
    bool ahead = false;         // it is being read ahead
    bool fresh = false;         // it was read, and no pass has asked for it since
    std::exception_ptr failure;
    bool loading() const { return pending[kGateUp] + pending[kDown] > 0; }
  };
  struct Read {
    int slot;
    Phase phase;
    PackPiece piece;
    size_t at;  // in the slot
  };
  struct Expert {
    int layer, index;
    int slot = -1;
    int turn = -1;  // in the layer in hand, which asks for it and has not come to it; -1: not so
  };
  struct Parts { const PackJob *gate, *up, *down; };  // of a layer

  int id(int layer, int expert) const { return first_[size_t(layer)] + expert; }
  char* memory(int slot) const { return memory_.data() + layout_.slot_bytes * size_t(slot); }
  // With `state_` held:
  float wait(int expert) const;
  int victim(float later_than) const;  // a slot that may be given to another expert; -1: none
  // Gives the slot to the expert, whose reads go into the queue.
  void load(int expert, int slot, std::deque<Read>& reads);
  void load_ahead();
  // Of what was being read ahead of a layer: what is asked for comes first now, the rest is given up.
  void settle(int layer, std::span<const ExpertDemand> demands);
  void take_back(int slot, std::deque<Read>& out);  // its reads that are ahead and not begun
  void weigh(int layer, std::span<const ExpertDemand> demands);
  bool guesses() const { return right_ >= kLeastRight * guessed_; }
  void unpin(Slot& slot);
  void clear(Slot& slot);
  void finish(const Read& read, std::exception_ptr failure);
  void read_loop(std::span<std::byte> buffer);
  void commit_slots();
  void stop();

  ExpertLayout layout_;
  ExpertSource source_;
  std::vector<Parts> parts_;
  std::vector<int> first_;  // expert of each layer
  std::vector<Expert> experts_;
  int first_layer_ = 0;  // that has experts
  Buffer memory_;
  ReadBuffers buffers_;

  std::mutex leases_;         // one layer at a time
  mutable std::mutex state_;  // of all that follows
  std::condition_variable work_, arrival_;
  ExpertPolicy policy_;
  std::vector<Slot> slots_;
  std::deque<Read> demanded_, ahead_;       // reads that nobody has begun
  std::deque<int> plan_;                    // experts to be loaded ahead, the next one first
  std::deque<int> guess_;                   // ... after these, a few at a time
  std::vector<std::vector<int>> foreseen_;  // of each layer
  float right_ = 0, guessed_ = 0;           // guesses, of which each counts for less with every one after it
  int loading_ahead_ = 0;
  int reading_ = 0;  // threads that wait for the disk
  ExpertTraffic traffic_;
  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> readers_;
  std::thread committer_;
};

// The experts of one layer, while a pass's tokens go through them: some at a time, in the order of `demands`,
// which are the indices of experts in ascending order.
class ExpertStream::Lease {
 public:
  // Whatever waits here can be interrupted, which throws.
  Lease(ExpertStream& stream, int layer, std::span<const ExpertDemand> demands, int rows,
        Interruption& interruption);
  ~Lease();
  Lease(const Lease&) = delete;

  // Takes up demands [first, end), for which there is room at once, and returns end. What was taken up before
  // may make room.
  int take(int first);
  struct Arrived {
    std::span<const int> gated;  // have their gate and up in memory
    int whole;                   // all of those before this one have everything, and were `gated`
  };
  // Waits until there is more of those taken up than was told already, and tells what; nothing of it once
  // all are whole. Throws what their reading threw.
  Arrived next();
  // Packed matrices of those that have come.
  const char* gate(int demand) const { return stream_.memory(held_[size_t(demand - first_)]); }
  const char* up(int demand) const { return gate(demand) + up_at_; }
  const char* down(int demand) const { return gate(demand) + down_at_; }

 private:
  Expert& expert(int demand) const {
    return stream_.experts_[size_t(stream_.id(layer_, demands_[size_t(demand)].expert))];
  }
  // With the stream's state held:
  Slot& slot(int demand) const { return stream_.slots_[size_t(held_[size_t(demand - first_)])]; }
  Slot& hold(int demand);
  void plan_ahead();
  void release();
  template <class Ready>
  void wait_until(std::unique_lock<std::mutex>& lock, const Ready& ready);

  ExpertStream& stream_;
  Interruption& interruption_;
  const std::lock_guard<std::mutex> turn_;
  int layer_;
  std::span<const ExpertDemand> demands_;
  size_t up_at_, down_at_;
  int first_ = 0, end_ = 0;        // taken up
  int whole_ = 0;                  // as told last
  std::vector<int> held_;          // the slots of those taken up; -1: none yet
  std::vector<int> open_, gated_;  // of those taken up: not told yet, and told last
};

}  // namespace pestle
