#include "model/experts.h"

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

#include "model/expert_stream.h"

namespace pestle {
namespace {

// Some tokens of one expert: they meet its weights together.
struct Job {
  int index, expert, first, rows;  // slots [first, first + rows) of the sorted tokens
  const char *gate, *up, *down;    // the expert's tiles
};
using Jobs = std::span<const Job>;
// As many activation rows as a piece of decoded weights meets at once; more of one expert's tokens gain
// nothing, fewer cost little.
constexpr int kJobRows = kBlockRows;
// Floats that a thread holds of gate, of up and of down's output: two strips at kJobRows rows stay in L2.
constexpr size_t kScratchFloats = size_t(kJobRows) * 2 * kStripRows;
static_assert(kScratchFloats >= size_t(kJobRows) * kStripRows);  // Dispatch::by_scratch: a strip of any job
constexpr size_t kLine = 64;                                     // bytes

class Dispatch {
 public:
  Dispatch(Workspace& ws, const Experts& experts, Rows x, const Routing& routing, Rows y)
      : ws_(ws), e_(experts), x_(x), routing_(routing), y_(y) {}

  void run(uint64_t* counts, const std::function<void()>& meanwhile) {
    sort(counts);
    scratch_ = ws_.arena.take<float>(2 * kScratchFloats * size_t(ws_.pool.threads()));
    quantize_input(e_.gate);
    quantize_input(e_.up);
    out_ = panels_of(e_.down);
    take(out_);
    if (out_.many.wide || ws_.observer) hidden_ = ws_.rows(slots(), e_.down.w->columns);
    if (e_.stream) {
      stream(meanwhile);
    } else {
      for (int i = 0; i < n_jobs_; i++) {
        const size_t e = size_t(jobs_[i].expert);
        const auto tiles = [&](const Linear& l) { return l.w->tiles + l.w->bytes_of_one() * e; };
        jobs_[i].gate = tiles(e_.gate), jobs_[i].up = tiles(e_.up), jobs_[i].down = tiles(e_.down);
      }
      gate_and_up({jobs_, size_t(n_jobs_)});
      down({jobs_, size_t(n_jobs_)});
      meanwhile();
    }
    if (ws_.observer) observe();
  }

 private:
  int tokens() const { return x_.n_rows; }
  int slots() const { return tokens() * routing_.top_k; }
  // What a pass takes does not depend on where its tokens go.
  size_t most_jobs() const { return size_t(std::min(slots(), e_.count() + slots() / kJobRows)); }

  // The tokens of each expert, in their order (a counting sort), and the jobs over them.
  void sort(uint64_t* counts) {
    const int n = e_.count();
    int* begin = ws_.arena.take<int>(size_t(n) + 1);
    std::fill_n(begin, n + 1, 0);
    for (int i = 0; i < slots(); i++) {
      PESTLE_ASSUME(0 <= routing_.expert[i] && routing_.expert[i] < n);
      begin[routing_.expert[i] + 1]++;
    }
    for (int e = 0; e < n; e++) {
      if (counts) counts[e] += uint64_t(begin[e + 1]);
      begin[e + 1] += begin[e];
    }
    jobs_ = ws_.arena.take<Job>(most_jobs());
    for (int e = 0; e < n; e++)
      for (int at = begin[e]; at < begin[e + 1]; at += kJobRows)
        jobs_[n_jobs_] = {n_jobs_, e, at, std::min(kJobRows, begin[e + 1] - at), {}, {}, {}}, n_jobs_++;
    token_ = ws_.arena.take<int>(size_t(slots()));
    weight_ = ws_.arena.take<float>(size_t(slots()));
    for (int i = 0; i < slots(); i++) {
      const int slot = begin[routing_.expert[i]]++;
      token_[slot] = i / routing_.top_k;
      weight_[slot] = routing_.weight[i];
    }
  }

  // Panels of a weight's inputs: those of a job begin at its first slot, in the layout that its rows ask for.
  struct Panels {
    PanelKind few, many;  // of jobs with up to direct_rows rows, and of others
    char* data;
    size_t row_bytes;
    int direct_rows;
    PanelKind kind(const Job& job) const { return job.rows <= direct_rows ? few : many; }
    // Each job's panels begin on a cache line: a tile of AMX reads two rows from each.
    char* of(const Job& job) const {
      return data + (row_bytes * size_t(job.first) + kLine - 1) / kLine * kLine + kLine * size_t(job.index);
    }
    bool same(const Panels& o) const {
      return few == o.few && many == o.many && direct_rows == o.direct_rows;
    }
  };
  Panels panels_of(const Linear& l) const {
    const Matrix& w = *l.w;
    const int few = ws_.kernels.direct_rows[w.wide][static_cast<int>(w.format)];
    Panels p{panel_of(ws_.kernels, w.format, w.wide, few), panel_of(ws_.kernels, w.format, w.wide, few + 1),
             nullptr, 0, few};
    p.row_bytes = std::max(panel_row_bytes(p.few, w.columns), panel_row_bytes(p.many, w.columns));
    return p;
  }
  void take(Panels& p) const {
    p.data = ws_.arena.take<char>(p.row_bytes * size_t(slots()) + kLine * (most_jobs() + 1) + kPanelSlack);
  }

  // The inputs of gate and up, which are the same where their formats ask for the same.
  void quantize_input(const Linear& l) {
    Panels p = panels_of(l);
    if (n_in_ == 1 && p.same(in_[0])) return;
    take(p);
    in_[n_in_++] = p;
    // A single token's experts all read the same row.
    const int n = tokens() == 1 ? 1 : n_jobs_;
    ws_.for_rows(n, [&](int i, int) {
      const Job& job = jobs_[i];
      PanelArgs args{x_.data, x_.stride, job.rows, l.w->columns, p.kind(job), p.of(job)};
      args.source = token_ + job.first;
      ws_.kernels.make_panels(args, 0, panel_groups(job.rows, args.kind.max_rows));
    });
  }
  const char* input(const Linear& l, const Job& job) const {
    const Panels& p = in_[&l == &e_.up ? n_in_ - 1 : 0];
    return tokens() == 1 ? p.data : p.of(job);
  }

  // Some experts after the others, as many at a time as there is room for: their sums keep their order.
  void stream(const std::function<void()>& meanwhile) {
    std::vector<ExpertDemand> demands;
    std::vector<Job*> first;  // of each demand's jobs
    for (Job* j = jobs_; j < jobs_ + n_jobs_; j++) {
      if (j == jobs_ || j->expert != demands.back().expert) {
        demands.push_back({j->expert, 0});
        first.push_back(j);
      }
      demands.back().tokens += j->rows;
    }
    first.push_back(jobs_ + n_jobs_);
    ExpertStream::Lease lease(*e_.stream, e_.layer, demands, tokens(), ws_.interruption);
    std::vector<Job> come;
    const int n = static_cast<int>(demands.size());
    for (int begin = 0, end; begin < n; begin = end) {
      end = lease.take(begin);
      if (begin == 0) meanwhile();
      for (int done = begin; done < end;) {
        ws_.interruption.check();
        const auto [gated, whole] = lease.next();
        come.clear();
        for (const int d : gated)
          for (Job* j = first[size_t(d)]; j < first[size_t(d) + 1]; j++) {
            j->gate = lease.gate(d), j->up = lease.up(d), j->down = lease.down(d);
            come.push_back(*j);
          }
        gate_and_up(come);
        if (whole > done) down({first[size_t(done)], first[size_t(whole)]});
        done = whole;
      }
    }
  }

  // Strips [begin, end) of an expert into `out` [job.rows][32 * (end - begin)].
  void product(const Linear& l, const char* tiles, const Job& job, const char* panels, int begin, int end,
               float* out, int thread) const {
    PESTLE_ASSUME(0 <= begin && begin < end && end <= l.w->strips());
    PlannedProduct p = plan(ws_.kernels, l, job.expert, job.rows);
    p.args.tiles = tiles + l.w->strip_bytes() * size_t(begin);
    if (p.args.bias) p.args.bias += kStripRows * begin;
    p.args.panels = panels;
    p.args.y = out;
    p.args.ldy = size_t(kStripRows) * size_t(end - begin);
    p.kernel(p.args, 0, end - begin, ws_.scratch(thread));
  }

  // Splits the strips [begin, end) so that what a thread holds of them stays in its scratch.
  template <class Body>
  static void by_scratch(const Job& job, int begin, int end, const Body& body) {
    const int most = static_cast<int>(kScratchFloats) / (kStripRows * job.rows);
    for (int b = begin; b < end; b += most) body(b, std::min(end, b + most));
  }

  void gate_and_up(Jobs jobs) {
    const int strips = e_.gate.w->strips();
    const size_t work = 2 * e_.gate.w->strip_bytes();
    ws_.pool.run_ranges(int(jobs.size()) * strips, grain(work), [&](int begin, int end, int thread) {
      for (int j = begin / strips; j * strips < end; j++) {
        const Job& job = jobs[size_t(j)];
        by_scratch(job, std::max(begin - j * strips, 0), std::min(end - j * strips, strips),
                   [&](int b, int e) { gate_and_up(job, b, e, thread); });
      }
    });
  }

  // Gate, up and what they make of each other; their 32 columns are one block of down's input.
  void gate_and_up(const Job& job, int begin, int end, int thread) {
    float* g = scratch_ + 2 * kScratchFloats * size_t(thread);
    float* u = g + kScratchFloats;
    const int width = kStripRows * (end - begin);
    product(e_.gate, job.gate, job, input(e_.gate, job), begin, end, g, thread);
    product(e_.up, job.up, job, input(e_.up, job), begin, end, u, thread);
    for (int r = 0; r < job.rows; r++)
      ws_.kernels.gate_mul(e_.activation, g + r * width, u + r * width, width);
    if (hidden_.data)
      for (int r = 0; r < job.rows; r++)
        std::copy_n(g + r * width, width, hidden_.row(job.first + r) + kStripRows * begin);
    if (out_.many.wide) return;
    PanelArgs args{g, size_t(width), job.rows, e_.down.w->columns, out_.kind(job), out_.of(job)};
    args.first_block = begin;
    args.end_block = end;
    ws_.kernels.make_panels(args, 0, panel_groups(job.rows, args.kind.max_rows));
  }

  // Activations of 15 bits have one scale for a whole row, which must be there first.
  void quantize_hidden(Jobs jobs) {
    ws_.for_rows(int(jobs.size()), [&](int i, int) {
      const Job& job = jobs[size_t(i)];
      const PanelArgs args{hidden_.row(job.first), hidden_.stride, job.rows,
                           e_.down.w->columns,     out_.kind(job), out_.of(job)};
      ws_.kernels.make_panels(args, 0, panel_groups(job.rows, args.kind.max_rows));
    });
  }

  void observe() {
    std::vector<MatrixInput> in, hidden;
    for (int j = 0, end; j < n_jobs_; j = end) {
      const Job& first = jobs_[j];
      int rows = 0;
      for (end = j; end < n_jobs_ && jobs_[end].expert == first.expert; end++) rows += jobs_[end].rows;
      in.push_back({first.expert, x_.data, x_.stride, rows, token_ + first.first});
      hidden.push_back({first.expert, hidden_.row(first.first), hidden_.stride, rows});
    }
    for (const Linear* l : {&e_.gate, &e_.up})
      if (!l->w->partial) ws_.observer->observe(*l->w, in);
    ws_.observer->observe(*e_.down.w, hidden);
  }

  // A thread adds up some columns of all tokens, expert after expert.
  void down(Jobs jobs) {
    if (out_.many.wide) quantize_hidden(jobs);
    const size_t work = e_.down.w->strip_bytes() * jobs.size();
    ws_.pool.run_ranges(e_.down.w->strips(), grain(work), [&](int begin, int end, int thread) {
      for (const Job& job : jobs) by_scratch(job, begin, end, [&](int b, int e) { down(job, b, e, thread); });
    });
  }
  void down(const Job& job, int begin, int end, int thread) {
    float* out = scratch_ + 2 * kScratchFloats * size_t(thread);
    const int width = kStripRows * (end - begin);
    product(e_.down, job.down, job, out_.of(job), begin, end, out, thread);
    for (int r = 0; r < job.rows; r++)
      ws_.kernels.add_scaled(y_.row(token_[job.first + r]) + kStripRows * begin, out + r * width,
                             weight_[job.first + r], width);
  }

  // Strips that are worth a trip to the shared counter.
  static int grain(size_t strip_bytes) {
    return static_cast<int>(std::max<size_t>(1, (size_t(32) << 10) / strip_bytes));
  }

  Workspace& ws_;
  const Experts& e_;
  Rows x_;
  const Routing& routing_;
  Rows y_;
  Job* jobs_ = nullptr;
  int n_jobs_ = 0;
  int* token_ = nullptr;     // of each slot
  float* weight_ = nullptr;  // of each slot
  Panels in_[2], out_;       // of gate and up (in_[1] where theirs differ), and of down
  int n_in_ = 0;
  Rows hidden_;  // [slots, ffn_dim], where down's input cannot be quantized block by block, or is observed
  float* scratch_ = nullptr;
};

}  // namespace

void Experts::add(Workspace& ws, Rows x, const Routing& routing, Rows y, uint64_t* counts,
                  const std::function<void()>& meanwhile) const {
  Dispatch(ws, *this, x, routing, y).run(counts, meanwhile);
}

void NextMoe::foresee(Workspace& ws, Rows x) const {
  const Arena::Scope scope(ws.arena);
  const Rows normed = ws.rows(x.n_rows, x.width);
  norm(ws.kernels, x.row(0), normed.row(0));
  Activations in(ws, normed);
  const Routing routing = moe.router(ws, in);
  moe.experts.stream->foresee(moe.experts.layer, {routing.expert, size_t(routing.top_k)});
}

void SparseMoe::operator()(Step& step, Rows x, const Residual& residual, uint64_t* counts,
                           const NextMoe* next) const {
  Workspace& ws = step.ws;
  residual(ws, x, [&](Activations& in, Rows y) {
    const Routing routing = router(ws, in);  // its product has made in.rows()
    // Of a single token, that is: passes of many are certain to ask for most.
    if (next && x.n_rows == 1 && experts.stream) next->foresee(ws, x);
    GatedMlp::Hidden hidden;
    experts.add(ws, in.rows(), routing, y, counts, [&] {
      if (shared) hidden = shared->hidden(ws, in);
    });
    if (shared) shared->add(ws, hidden, y);
  });
}

LinearUses SparseMoe::linears() const {
  LinearUses uses = {{&router.gate, 1},
                     {&experts.gate, router.top_k},
                     {&experts.up, router.top_k},
                     {&experts.down, router.top_k}};
  if (shared) {
    const LinearUses more = shared->linears();
    uses.insert(uses.end(), more.begin(), more.end());
  }
  return uses;
}

}  // namespace pestle
