#include "model/expert_stream.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <system_error>
#include <utility>
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
// The same of those that are only guessed: each takes the place of another one.
constexpr int kMostGuessed = 2;
// Guesses after which one counts for half.
constexpr float kGuessHalfLife = 512;
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
  foreseen_.resize(decoder.layers.size());
  memory_ = Buffer(layout_.slot_bytes * size_t(n_slots));
  slots_.resize(size_t(n_slots));
  try {
    for (int i = 0; i < buffers_.readers(); i++)
      readers_.emplace_back([this, i] { read_loop(buffers_.of(i)); });
    committer_ = std::thread([this] { commit_slots(); });
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
  if (committer_.joinable()) committer_.join();
}

// Slots are filled in their order. Found while readers wait for the disk, their memory costs no time; found
// while they pack into it, it can take as long as the read: a system that is full of cached files has to drop
// those first.
void ExpertStream::commit_slots() {
  const size_t step = 8 * Buffer::kHugePage;
  for (size_t at = 0; at < memory_.size() && !stopping_; at += step)
    memory_.commit(at, std::min(step, memory_.size() - at));
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
    if (s.pins > 0 || s.loading()) continue;
    if (s.expert < 0) return i;
    const float w = wait(s.expert);
    if (w > later_than) later_than = w, best = i;
  }
  return best;
}

void ExpertStream::clear(Slot& s) {
  if (s.expert >= 0) experts_[size_t(s.expert)].slot = -1;
  s = {};
}

void ExpertStream::load(int expert, int slot, std::deque<Read>& reads) {
  Slot& s = slots_[size_t(slot)];
  clear(s);
  s.expert = expert;
  s.fresh = true;
  Expert& e = experts_[size_t(expert)];
  e.slot = slot;
  const ExpertLayout::Layer& l = layout_.layers[size_t(e.layer)];
  const Parts& parts = parts_[size_t(e.layer)];
  const auto queue = [&](const PackJob& job, Phase phase, size_t at) {
    const Matrix& m = *job.matrix;
    const int rows = 2 * m.strips(), step = tile_rows_a_read(m);
    for (int begin = 0; begin < rows; begin += step) {
      const PackPiece piece{&job, e.index, begin, std::min(rows, begin + step)};
      reads.push_back({slot, phase, piece, at + m.tile_row_bytes() * size_t(begin)});
      s.pending[phase]++;
    }
  };
  queue(*parts.gate, kGateUp, 0);
  queue(*parts.up, kGateUp, l.up_at);
  queue(*parts.down, kDown, l.down_at);
}

void ExpertStream::load_ahead() {
  const auto load_from = [&](std::deque<int>& experts, int most, const auto& later_than) {
    for (; !experts.empty() && loading_ahead_ < most; experts.pop_front()) {
      const int expert = experts.front();
      if (experts_[size_t(expert)].slot >= 0) continue;
      const int slot = victim(later_than(expert));
      if (slot < 0) return;
      load(expert, slot, ahead_);
      slots_[size_t(slot)].ahead = true;
      loading_ahead_++;
    }
  };
  load_from(plan_, kMostAhead, [&](int expert) { return wait(expert); });
  if (plan_.empty() && demanded_.empty())
    load_from(guess_, kMostGuessed, [&](int) { return policy_.wait_of_next_token(); });
  if (!ahead_.empty()) work_.notify_all();
}

void ExpertStream::foresee(int layer, std::span<const int> experts) {
  const std::lock_guard lock(state_);
  foreseen_[size_t(layer)].assign(experts.begin(), experts.end());
}

void ExpertStream::weigh(int layer, std::span<const ExpertDemand> demands) {
  std::vector<int>& guessed = foreseen_[size_t(layer)];
  if (guessed.empty()) return;
  const auto is_asked_for = [&](int e) {
    return std::any_of(demands.begin(), demands.end(), [&](const ExpertDemand& d) { return d.expert == e; });
  };
  const auto right = std::count_if(guessed.begin(), guessed.end(), is_asked_for);
  const float kept = std::exp2(-float(guessed.size()) / kGuessHalfLife);
  right_ = right_ * kept + float(right);
  guessed_ = guessed_ * kept + float(guessed.size());
  traffic_.guesses += guessed.size();
  traffic_.right += uint64_t(right);
  guessed.clear();
}

void ExpertStream::take_back(int slot, std::deque<Read>& out) {
  const auto rest =
      std::stable_partition(ahead_.begin(), ahead_.end(), [&](const Read& r) { return r.slot != slot; });
  out.insert(out.end(), rest, ahead_.end());
  ahead_.erase(rest, ahead_.end());
}

void ExpertStream::settle(int layer, std::span<const ExpertDemand> demands) {
  if (loading_ahead_ == 0) return;
  for (const ExpertDemand& d : demands)
    if (const int slot = experts_[size_t(id(layer, d.expert))].slot;
        slot >= 0 && slots_[size_t(slot)].ahead) {
      take_back(slot, demanded_);
      slots_[size_t(slot)].ahead = false;
      loading_ahead_--;
    }
  for (int i = 0; i < n_slots(); i++) {
    Slot& s = slots_[size_t(i)];
    if (!s.ahead || experts_[size_t(s.expert)].layer != layer) continue;
    std::deque<Read> unread;
    take_back(i, unread);
    s.ahead = false;
    loading_ahead_--;
    if (unread.empty()) continue;  // it will be there in a moment
    for (const Read& r : unread) s.pending[r.phase]--;
    experts_[size_t(std::exchange(s.expert, -1))].slot = -1;
    if (!s.loading()) clear(s);
  }
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
  loading_ahead_ -= s.ahead;
  s.ahead = false;
  traffic_.reads += !s.failure && s.expert >= 0;
  if ((s.failure || s.expert < 0) && s.pins == 0) clear(s);
  load_ahead();
}

void ExpertStream::read_loop(std::span<std::byte> buffer) {
  std::unique_lock lock(state_);
  for (;;) {
    work_.wait(lock, [&] {
      return stopping_ || (reading_ < kExpertReads && !(demanded_.empty() && ahead_.empty()));
    });
    if (stopping_) return;
    std::deque<Read>& queue = demanded_.empty() ? ahead_ : demanded_;
    const Read read = queue.front();
    queue.pop_front();
    if (demanded_.empty()) load_ahead();
    reading_++;
    lock.unlock();
    std::exception_ptr failure;
    const std::byte* bytes = nullptr;
    try {
      bytes = source_.read(read.piece, buffer);
    } catch (...) { failure = std::current_exception(); }
    lock.lock();
    reading_--;
    work_.notify_one();  // another one reads while this one packs
    lock.unlock();
    if (!failure) try {
        source_.pack(read.piece, bytes, memory(read.slot) + read.at);
      } catch (...) { failure = std::current_exception(); }
    lock.lock();
    finish(read, failure);
  }
}

ExpertStream::Lease::Lease(ExpertStream& stream, int layer, std::span<const ExpertDemand> demands, int rows,
                           Interruption& interruption)
    : stream_(stream), interruption_(interruption), turn_(stream.leases_), layer_(layer), demands_(demands) {
  const ExpertLayout::Layer& l = stream.layout_.layers[size_t(layer)];
  up_at_ = l.up_at;
  down_at_ = l.down_at;
  const std::lock_guard lock(stream.state_);
  stream.policy_.pass(layer, demands, rows);
  stream.weigh(layer, demands);
  stream.settle(layer, demands);
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
  held_[size_t(demand - first_)] = expert(demand).slot;
  Slot& s = slot(demand);
  s.pins++;
  return s;
}

int ExpertStream::Lease::take(int first) {
  const int n = static_cast<int>(demands_.size()), slots = stream_.n_slots();
  const int most = n <= std::min(slots, kMostAtOnce) ? n : std::clamp(slots / 2, 1, kMostAtOnce);
  std::unique_lock lock(stream_.state_);
  release();
  stream_.plan_.clear();
  stream_.guess_.clear();
  first_ = whole_ = first;
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
  for (int i = first_; i < end_; i++) {
    if (held_[size_t(i - first_)] >= 0) continue;
    int slot = -1;
    wait_until(lock, [&] { return (slot = stream_.victim(-1)) >= 0; });
    stream_.load(stream_.id(layer_, demands_[size_t(i)].expert), slot, stream_.demanded_);
    hold(i).fresh = false;
  }
  plan_ahead();
  stream_.load_ahead();
  stream_.work_.notify_all();
  return end_;
}

// What this layer comes to next, and then what the next one is sure to ask for, or is guessed to.
void ExpertStream::Lease::plan_ahead() {
  for (size_t i = size_t(end_); i < demands_.size(); i++)
    stream_.plan_.push_back(stream_.id(layer_, demands_[i].expert));
  const int next = stream_.policy_.next_layer();
  if (next < 0) return;
  for (int e = 0; e < stream_.layout_.layers[size_t(next)].n_experts; e++)
    if (stream_.policy_.is_certain(stream_.id(next, e))) stream_.plan_.push_back(stream_.id(next, e));
  if (stream_.guesses())
    for (const int e : stream_.foreseen_[size_t(next)]) stream_.guess_.push_back(stream_.id(next, e));
}

ExpertStream::Lease::Arrived ExpertStream::Lease::next() {
  const auto is_gated = [&](int i) { return slot(i).pending[kGateUp] == 0 || slot(i).failure; };
  const auto is_whole = [&](int i) { return !slot(i).loading() || slot(i).failure; };
  gated_.clear();
  std::unique_lock lock(stream_.state_);
  wait_until(lock, [&] {
    return whole_ == end_ || is_whole(whole_) || std::any_of(open_.begin(), open_.end(), is_gated);
  });
  const auto rest = std::stable_partition(open_.begin(), open_.end(), is_gated);
  gated_.assign(open_.begin(), rest);
  open_.erase(open_.begin(), rest);
  while (whole_ < end_ && is_whole(whole_)) whole_++;
  for (int i = first_; i < end_; i++)
    if (slot(i).failure) std::rethrow_exception(slot(i).failure);
  return {gated_, whole_};
}

template <class Ready>
void ExpertStream::Lease::wait_until(std::unique_lock<std::mutex>& lock, const Ready& ready) {
  if (ready()) return;
  using Clock = std::chrono::steady_clock;
  ExpertTraffic& traffic = stream_.traffic_;
  const uint64_t before = traffic.read_bytes;
  const Clock::time_point begin = Clock::now();
  stream_.work_.notify_all();
  while (!stream_.arrival_.wait_for(lock, Interruption::kPatience, ready)) {
    lock.unlock();
    interruption_.check();
    lock.lock();
  }
  traffic.stall_seconds += std::chrono::duration<double>(Clock::now() - begin).count();
  traffic.stall_bytes += traffic.read_bytes - before;
}

}  // namespace pestle
