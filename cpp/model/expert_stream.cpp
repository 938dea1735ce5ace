#include "model/expert_stream.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>
#include <variant>

#include "core/error.h"
#include "model/decoder.h"

namespace pestle {
namespace {

// Experts whose products wait for each other: enough for all threads, few enough that others can be read
// meanwhile.
constexpr int kMostAtOnce = 16;
// Experts that are being read ahead: enough to keep the readers busy, few enough not to be in the way of what
// is asked for.
constexpr int kMostAhead = 8;
// What the layer in hand is still to come to is needed before all else, in its order.
constexpr float kTurn = 1e-4f;

}  // namespace

ExpertStream::ExpertStream(const gguf::File& file, const Decoder& decoder, std::vector<PackJob> jobs,
                           size_t budget)
    : layout_(ExpertLayout::of(decoder)),
      source_(file, std::move(jobs)),
      buffers_(kExpertReaders, layout_.reader_bytes),
      policy_(layout_) {
  const int n_slots = layout_.slots(budget);
  if (n_slots == 0)
    throw MemoryLimitError(file.name() + ": " + std::to_string(budget) +
                           " bytes for experts were asked for, expected at least " +
                           std::to_string(layout_.bytes(layout_.min_slots)) +
                           ": what a token asks for in one layer, and what reads take");
  for (size_t i = 0; i < decoder.layers.size(); i++) {
    first_.push_back(static_cast<int>(experts_.size()));
    const auto* moe = std::get_if<SparseMoe>(&decoder.layers[i].ffn);
    if (moe == nullptr) {
      parts_.emplace_back();
      continue;
    }
    if (experts_.empty()) first_layer_ = static_cast<int>(i);
    const Experts& e = moe->experts;
    parts_.push_back({&source_.job(e.gate.w), &source_.job(e.up.w), &source_.job(e.down.w)});
    for (int j = 0; j < e.count(); j++) experts_.push_back({static_cast<int>(i), j});
  }
  memory_ = Buffer(layout_.slot_bytes * size_t(n_slots));
  slots_.resize(size_t(n_slots));
  try {
    for (int i = 0; i < buffers_.readers(); i++)
      readers_.emplace_back([this, i] { read_loop(buffers_.of(i)); });
  } catch (const std::system_error& error) {
    stop();
    throw Error(std::string("a thread that reads experts cannot be started: ") + error.what());
  }
}

ExpertStream::~ExpertStream() { stop(); }

void ExpertStream::stop() {
  {
    const std::lock_guard lock(state_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& t : readers_) t.join();
}

ExpertTraffic ExpertStream::traffic() const {
  const std::lock_guard lock(state_);
  return traffic_;
}

float ExpertStream::wait(int expert) const {
  const Expert& e = experts_[size_t(expert)];
  return e.turn >= 0 ? kTurn * float(e.turn) : policy_.wait(e.layer, expert);
}

int ExpertStream::victim(float later_than) const {
  int best = -1;
  for (int i = 0; i < n_slots(); i++) {
    const Slot& s = slots_[size_t(i)];
    if (s.expert < 0) return i;
    if (s.pins > 0 || s.loading()) continue;
    const float w = wait(s.expert);
    if (w > later_than) later_than = w, best = i;
  }
  return best;
}

void ExpertStream::clear(Slot& s) {
  if (s.expert >= 0) experts_[size_t(s.expert)].slot = -1;
  s = {};
}

void ExpertStream::load(int expert, int slot, std::deque<Read>& gate_up, std::deque<Read>& down) {
  Slot& s = slots_[size_t(slot)];
  clear(s);
  s.expert = expert;
  s.fresh = true;
  Expert& e = experts_[size_t(expert)];
  e.slot = slot;
  const ExpertLayout::Layer& l = layout_.layers[size_t(e.layer)];
  const Parts& parts = parts_[size_t(e.layer)];
  const auto queue = [&](std::deque<Read>& reads, const PackJob& job, Phase phase, size_t at) {
    const Matrix& m = *job.matrix;
    const int rows = 2 * m.strips(), step = tile_rows_a_read(m);
    for (int begin = 0; begin < rows; begin += step) {
      const PackPiece piece{&job, e.index, begin, std::min(rows, begin + step)};
      reads.push_back({slot, phase, piece, at + m.tile_row_bytes() * size_t(begin)});
      s.pending[phase]++;
    }
  };
  queue(gate_up, *parts.gate, kGateUp, 0);
  queue(gate_up, *parts.up, kGateUp, l.up_at);
  queue(down, *parts.down, kDown, l.down_at);
}

void ExpertStream::load_ahead() {
  for (; !plan_.empty() && loading_ahead_ < kMostAhead; plan_.pop_front()) {
    const int expert = plan_.front();
    if (experts_[size_t(expert)].slot >= 0) continue;
    const int slot = victim(wait(expert));
    if (slot < 0) break;
    load(expert, slot, ahead_, ahead_);
    slots_[size_t(slot)].ahead = true;
    loading_ahead_++;
  }
  if (!ahead_.empty()) work_.notify_all();
}

void ExpertStream::unpin(Slot& s) {
  if (--s.pins == 0 && s.failure && !s.loading()) clear(s);
}

void ExpertStream::finish(const Read& read, std::exception_ptr failure) {
  Slot& s = slots_[size_t(read.slot)];
  s.pending[read.phase]--;
  if (failure)
    s.failure = failure;
  else
    traffic_.read_bytes +=
        read.piece.job->matrix->tile_row_bytes() * size_t(read.piece.end - read.piece.begin);
  if (s.pending[read.phase] == 0 || failure) arrival_.notify_all();
  if (s.loading()) return;
  traffic_.reads += !s.failure;
  loading_ahead_ -= s.ahead;
  s.ahead = false;
  if (s.failure && s.pins == 0) clear(s);
  load_ahead();
}

void ExpertStream::read_loop(std::span<std::byte> buffer) {
  std::unique_lock lock(state_);
  for (;;) {
    work_.wait(lock, [&] { return stopping_ || !demanded_.empty() || !ahead_.empty(); });
    if (stopping_) return;
    std::deque<Read>& queue = demanded_.empty() ? ahead_ : demanded_;
    const Read read = queue.front();
    queue.pop_front();
    lock.unlock();
    std::exception_ptr failure;
    try {
      source_.read(read.piece, buffer, memory(read.slot) + read.at);
    } catch (...) { failure = std::current_exception(); }
    lock.lock();
    finish(read, failure);
  }
}

ExpertStream::Lease::Lease(ExpertStream& stream, int layer, std::span<const ExpertDemand> demands, int rows)
    : stream_(stream), turn_(stream.leases_), layer_(layer), demands_(demands) {
  const ExpertLayout::Layer& l = stream.layout_.layers[size_t(layer)];
  up_at_ = l.up_at;
  down_at_ = l.down_at;
  const std::lock_guard lock(stream.state_);
  stream.policy_.pass(layer, demands, rows);
  for (size_t i = 0; i < demands.size(); i++) expert(int(i)).turn = int(i);
  if (layer == stream.first_layer_) stream.traffic_.tokens += uint64_t(rows);
}

ExpertStream::Lease::~Lease() {
  const std::lock_guard lock(stream_.state_);
  release();
  for (size_t i = 0; i < demands_.size(); i++) expert(int(i)).turn = -1;
  stream_.load_ahead();
}

void ExpertStream::Lease::release() {
  for (const int slot : held_)
    if (slot >= 0) stream_.unpin(stream_.slots_[size_t(slot)]);
  held_.clear();
}

ExpertStream::Slot& ExpertStream::Lease::hold(int demand) {
  Slot& s = stream_.slots_[size_t(held_[size_t(demand - first_)] = expert(demand).slot)];
  s.pins++;
  return s;
}

int ExpertStream::Lease::take(int first) {
  const int n = static_cast<int>(demands_.size()), slots = stream_.n_slots();
  const int most = n <= std::min(slots, kMostAtOnce) ? n : std::clamp(slots / 2, 1, kMostAtOnce);
  std::unique_lock lock(stream_.state_);
  release();
  stream_.plan_.clear();
  first_ = first;
  end_ = std::min(n, first + most);
  held_.assign(size_t(end_ - first_), -1);
  open_.clear();
  for (int i = first_; i < end_; i++) {
    open_.push_back(i);
    expert(i).turn = -1;
    if (expert(i).slot < 0) continue;
    Slot& s = hold(i);
    stream_.traffic_.hits += !s.fresh;
    s.fresh = false;
  }
  stream_.traffic_.asked += open_.size();
  std::deque<Read> down;  // products ask for it last
  for (int i = first_; i < end_; i++) {
    if (held_[size_t(i - first_)] >= 0) continue;
    int slot = -1;
    wait_until(lock, [&] { return (slot = stream_.victim(-1)) >= 0; });
    stream_.load(stream_.id(layer_, demands_[size_t(i)].expert), slot, stream_.demanded_, down);
    hold(i).fresh = false;
  }
  stream_.demanded_.insert(stream_.demanded_.end(), down.begin(), down.end());
  plan_ahead();
  stream_.load_ahead();
  stream_.work_.notify_all();
  return end_;
}

// What this layer comes to next, and then what the next one is sure to ask for.
void ExpertStream::Lease::plan_ahead() {
  for (size_t i = size_t(end_); i < demands_.size(); i++)
    stream_.plan_.push_back(stream_.id(layer_, demands_[i].expert));
  const int next = stream_.policy_.next_layer();
  if (next < 0) return;
  for (int e = 0; e < stream_.layout_.layers[size_t(next)].n_experts; e++)
    if (stream_.policy_.is_certain(stream_.id(next, e))) stream_.plan_.push_back(stream_.id(next, e));
}

std::span<const int> ExpertStream::Lease::arrived() {
  arrived_.clear();
  if (open_.empty()) return arrived_;
  const auto slot = [&](int i) -> const Slot& { return stream_.slots_[size_t(held_[size_t(i - first_)])]; };
  const auto is_there = [&](int i) { return slot(i).pending[kGateUp] == 0 || slot(i).failure; };
  std::unique_lock lock(stream_.state_);
  wait_until(lock, [&] { return std::any_of(open_.begin(), open_.end(), is_there); });
  const auto rest = std::stable_partition(open_.begin(), open_.end(), is_there);
  arrived_.assign(open_.begin(), rest);
  open_.erase(open_.begin(), rest);
  for (const int i : arrived_)
    if (slot(i).failure) std::rethrow_exception(slot(i).failure);
  return arrived_;
}

void ExpertStream::Lease::await() {
  const auto is_over = [&](int i) {
    const Slot& s = stream_.slots_[size_t(i)];
    return !s.loading() || s.failure;
  };
  std::unique_lock lock(stream_.state_);
  wait_until(lock, [&] { return std::all_of(held_.begin(), held_.end(), is_over); });
  for (const int i : held_)
    if (const Slot& s = stream_.slots_[size_t(i)]; s.failure) std::rethrow_exception(s.failure);
}

template <class Ready>
void ExpertStream::Lease::wait_until(std::unique_lock<std::mutex>& lock, const Ready& ready) {
  if (ready()) return;
  using Clock = std::chrono::steady_clock;
  ExpertTraffic& traffic = stream_.traffic_;
  const uint64_t before = traffic.read_bytes;
  const Clock::time_point begin = Clock::now();
  stream_.work_.notify_all();
  stream_.arrival_.wait(lock, ready);
  traffic.stall_seconds += std::chrono::duration<double>(Clock::now() - begin).count();
  traffic.stall_bytes += traffic.read_bytes - before;
}

}  // namespace pestle
