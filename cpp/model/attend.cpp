#include "model/attend.h"

#include <algorithm>

namespace pestle {
namespace {

// Some tokens of a slice with the query heads of some KV heads. The more queries share a KV head, the less
// often keys and values are read: there are only as many items as the threads need. How they are formed and
// split changes no bit.
struct Item {
  const Slice* slice;
  int begin, end;            // tokens of the slice
  int head_begin, head_end;  // of q, of a KV head where they are part of one, or of whole KV heads
  int span_begin, span_end;  // that the tokens see
  float* spans;              // what each span gives, where threads share them; or null
  int spans_seen() const { return span_end - span_begin; }
};
// What a thread takes at once: of an item's heads and spans, span by span, those from begin to end.
struct AttendPiece {
  const Item* item;
  int begin, end;
};

class Attend {
 public:
  Attend(Workspace& ws, const Batch& batch, const CachedAttention& shape, int layer, Rows q, Rows out)
      : ws_(ws), batch_(batch), shape_(shape), layer_(layer), q_(q), out_(out) {}

  void run() {
    form_items();
    form_pieces();
    ws_.for_rows(n_pieces_, [&](int i, int thread) { attend(pieces_[i], thread); });
    if (!shared_) return;
    ws_.for_rows(n_items_ * most_heads_, [&](int i, int thread) {
      const Item& item = items_[i / most_heads_];
      const int h = i % most_heads_;
      if (item.spans && h < kv_heads(item)) Args(*this, item, h, h + 1, thread).merge();
    });
  }

 private:
  int group() const { return shape_.n_heads / shape_.n_kv_heads; }
  int kv_heads(const Item& item) const { return std::max(1, (item.head_end - item.head_begin) / group()); }
  int first_key(int position) const {
    return shape_.window > 0 ? std::max(0, position + 1 - shape_.window) : 0;
  }

  void form_items() {
    const int parts = (group() + kMaxQueries - 1) / kMaxQueries, heads = (group() + parts - 1) / parts;
    int tokens = std::max(1, kMaxQueries / heads);
    const int wanted = 4 * ws_.pool.active();
    while (tokens > 8 && (q_.n_rows + tokens - 1) / tokens * shape_.n_kv_heads * parts < wanted)
      tokens = (tokens + 1) / 2;
    int n = 0;
    for (const Slice& s : batch_.slices) n += (s.n_rows + tokens - 1) / tokens;
    items_ = ws_.arena.take<Item>(size_t(n) * size_t(shape_.n_kv_heads * parts));
    for (const Slice& s : batch_.slices) {
      const int own = std::min(tokens, s.n_rows);
      // Few queries wait for memory, which is read best in long runs: over all KV heads of a span.
      const int together = own * group() <= 8 ? std::max(1, kMaxQueries / (own * group())) : 1;
      // A head after the other: what is read of it stays in the cache that threads share. Of each the longest
      // first: the threads finish together.
      for (int h = 0; h < shape_.n_kv_heads; h += together)
        for (int end = s.n_rows; end > 0; end -= tokens)
          for (int p = 0; p < parts; p++) {
            const int first = h * group() + p * heads, begin = std::max(0, end - tokens);
            const int last = together > 1 ? std::min(h + together, shape_.n_kv_heads) * group()
                                          : std::min(first + heads, (h + 1) * group());
            items_[n_items_++] = {&s,
                                  begin,
                                  end,
                                  first,
                                  last,
                                  first_key(s.position + begin) / kSpanTokens,
                                  (s.position + end + kSpanTokens - 1) / kSpanTokens,
                                  nullptr};
          }
    }
  }

  // Items that hold more than a fair share of all become several pieces.
  void form_pieces() {
    const int wanted = 4 * ws_.pool.active();
    int all = 0;
    for (int i = 0; i < n_items_; i++) all += kv_heads(items_[i]) * items_[i].spans_seen();
    const int fair = ws_.pool.active() > 1 ? std::max(1, all / wanted) : all;
    pieces_ = ws_.arena.take<AttendPiece>(size_t(n_items_) + size_t(2 * wanted));  // all < 2 * wanted * fair
    for (int i = 0; i < n_items_; i++) {
      Item& item = items_[i];
      const int heads = kv_heads(item), spans = item.spans_seen(), units = heads * spans;
      const int pieces = (units + fair - 1) / fair;
      most_heads_ = std::max(most_heads_, heads);
      if (spans > 1 && (pieces > 1 || heads > 1)) {
        const size_t queries = size_t(item.end - item.begin) * size_t(item.head_end - item.head_begin);
        item.spans = ws_.arena.take<float>(queries * size_t(spans) * size_t(span_floats(shape_.v_dim)));
        shared_ = true;
      }
      for (int p = 0; p < pieces; p++)
        pieces_[n_pieces_++] = {&item, units * p / pieces, units * (p + 1) / pieces};
    }
  }

  // What a kernel is told of an item's KV heads [begin, end).
  class Args {
   public:
    Args(const Attend& at, const Item& item, int begin, int end, int thread) : kernels_(at.ws_.kernels) {
      const Slice& s = *item.slice;
      const int heads = std::min(item.head_end - item.head_begin, at.group()), tokens = item.end - item.begin;
      for (int t = item.begin; t < item.end; t++)
        for (int h = 0; h < heads; h++) {
          const int n = (t - item.begin) * heads + h;
          first_[n] = at.first_key(s.position + t);
          n_keys_[n] = s.position + t + 1;
        }
      for (int i = begin; i < end; i++) {
        const int from = (i - begin) * tokens * heads, head = item.head_begin + i * heads;
        for (int n = 0; n < tokens * heads; n++) {
          const int row = s.first_row + item.begin + n / heads, h = head + n % heads;
          q_[from + n] = at.q_.row(row) + size_t(h) * size_t(at.shape_.k_dim);
          out_[from + n] = at.out_.row(row) + size_t(h) * size_t(at.shape_.v_dim);
          if (at.shape_.sinks) sinks_[from + n] = at.shape_.sinks[h];
        }
        const size_t spans = size_t(tokens * heads) * size_t(item.spans_seen()) *
                             size_t(span_floats(at.shape_.v_dim)) * size_t(i);
        heads_[n_heads_++] = {q_ + from,
                              out_ + from,
                              first_,
                              n_keys_,
                              at.shape_.sinks ? sinks_ + from : nullptr,
                              tokens * heads,
                              at.shape_.k_dim,
                              at.shape_.v_dim,
                              at.shape_.latent,
                              at.shape_.scale,
                              at.batch_.pages(s, at.layer_),
                              at.batch_.kv->head(at.layer_, head / at.group()),
                              types_of(at.shape_.latent, at.batch_.kv->types()),
                              item.spans ? item.spans + spans : nullptr,
                              at.ws_.scratch(thread)};
      }
    }
    void attend() const {
      for (int h = 0; h < n_heads_; h++) kernels_.attend(heads_[h]);
    }
    void attend_spans(int begin, int end) const { kernels_.attend_spans(heads_, n_heads_, begin, end); }
    void merge() const { kernels_.merge_spans(heads_[0]); }

   private:
    const KernelTable& kernels_;
    const float* q_[kMaxQueries];
    float* out_[kMaxQueries];
    float sinks_[kMaxQueries];
    int first_[kMaxQueries], n_keys_[kMaxQueries], n_heads_ = 0;
    AttendArgs heads_[kMaxQueries];
  };

  void attend(const AttendPiece& piece, int thread) const {
    const Item& item = *piece.item;
    if (item.spans)
      Args(*this, item, 0, kv_heads(item), thread).attend_spans(piece.begin, piece.end);
    else if (item.spans_seen() == 1)
      Args(*this, item, piece.begin, piece.end, thread).attend();
    else
      Args(*this, item, 0, 1, thread).attend();
  }

  Workspace& ws_;
  const Batch& batch_;
  const CachedAttention& shape_;
  int layer_;
  Rows q_, out_;
  Item* items_ = nullptr;
  AttendPiece* pieces_ = nullptr;
  int n_items_ = 0, n_pieces_ = 0, most_heads_ = 0;
  bool shared_ = false;  // whether some item's spans are to be merged
};

}  // namespace

Rows attend(Workspace& ws, const Batch& batch, const CachedAttention& shape, int layer, Rows q) {
  Rows out = ws.rows(q.n_rows, shape.n_heads * shape.v_dim);
  Attend(ws, batch, shape, layer, q, out).run();
  for (int i = 0; i < out.n_rows; i++) std::fill(out.row(i) + out.width, out.row(i) + out.stride, 0.0f);
  return out;
}

}  // namespace pestle
