// KvPages: attention by itself over keys and values that are given, for tests and benchmarks.
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/handles.h"
#include "model/attend.h"

namespace py = pybind11;

namespace pestle {
namespace {

void check(bool fits, const char* what) {
  if (!fits) throw std::invalid_argument(what);
}

// The keys and values of one text, the same in each of some layers.
class KvPages {
 public:
  KvPages(const AnyFloats& k, const AnyFloats& v, const std::string& type, int layers, bool latent)
      : heads_(checked(k, v, latent)),
        n_keys_(int(k.shape(1))),
        k_dim_(int(k.shape(2))),
        v_dim_(int(v.shape(2))),
        layers_(std::max(1, layers)),
        latent_(latent),
        kv_(std::vector<KvShape>(size_t(layers_), {heads_, k_dim_, v_dim_, 0, latent}), kv_types(type)),
        memory_(group().slab_bytes() * size_t((n_keys_ - 1) / (kPageTokens * group().slab_pages()) + 1)) {
    const KernelTable& kernel = kernels();
    for (int i = 0; i < n_keys_; i++) {
      const int page = i / kPageTokens, of_slab = page % group().slab_pages();
      if (i % kPageTokens == 0)
        pages_.push_back(group().page(
            memory_.data() + group().slab_bytes() * size_t(page / group().slab_pages()), of_slab));
      for (int layer = 0; layer < layers_; layer++)
        for (int h = 0; h < heads_; h++) {
          const KvHead head = kv_.head(layer, h);
          if (latent_) {
            kernel.store_latent(k.data(h, i, 0), k_dim_, v_dim_, value_page(head, pages_.back()),
                                i % kPageTokens, kv_.types().keys);
            continue;
          }
          kernel.store_key(k.data(h, i, 0), k_dim_, key_page(head, pages_.back()), i % kPageTokens,
                           kv_.types().keys);
          kernel.store_value(v.data(h, i, 0), v_dim_, value_page(head, pages_.back()), i % kPageTokens,
                             kv_.types().values);
        }
    }
  }

  size_t nbytes() const { return group().page_bytes() * pages_.size(); }

  // One call of the kernel for the first head; with `pieces`, the spans in so many calls.
  AnyFloats attend(const AnyFloats& q, const std::vector<int>& n_keys, std::vector<int> first_key,
                   const std::vector<float>& sinks, float scale, int pieces) const {
    check(q.ndim() == 2 && q.shape(1) == k_dim_ && q.shape(0) >= 1 && q.shape(0) <= kMaxQueries,
          "q is not [1 to MAX_QUERIES, k_dim]");
    const size_t queries = size_t(q.shape(0));
    if (first_key.empty()) first_key.resize(queries, 0);
    check(
        n_keys.size() == queries && first_key.size() == queries && (sinks.empty() || sinks.size() == queries),
        "shapes do not fit");
    for (size_t i = 0; i < queries; i++) {
      check(first_key[i] >= 0 && first_key[i] < n_keys[i] && n_keys[i] <= n_keys_,
            "a range of keys is empty or too long");
      check(i == 0 || (n_keys[i] >= n_keys[i - 1] && first_key[i] >= first_key[i - 1]),
            "ranges of keys decrease");
    }
    AnyFloats out({py::ssize_t(queries), py::ssize_t(v_dim_)});
    std::vector<const float*> rows;
    std::vector<float*> outs;
    for (size_t i = 0; i < queries; i++) rows.push_back(q.data(i, 0)), outs.push_back(out.mutable_data(i, 0));
    std::vector<KvPage> pages = pages_;
    for (size_t p = 0; p < pages.size(); p++)  // those that no query sees may be gone
      if (!sees(n_keys, first_key, int(p) * kPageTokens)) pages[p] = {};
    Buffer scratch(attend_scratch(k_dim_, v_dim_));
    AttendArgs args{rows.data(),
                    outs.data(),
                    first_key.data(),
                    n_keys.data(),
                    sinks.empty() ? nullptr : sinks.data(),
                    int(queries),
                    k_dim_,
                    v_dim_,
                    latent_,
                    scale,
                    pages.data(),
                    kv_.head(0, 0),
                    types_of(latent_, kv_.types()),
                    nullptr,
                    scratch.data()};
    if (pieces < 1) {
      kernels().attend(args);
      return out;
    }
    const int count = end_span(args) - first_span(args);
    std::vector<float> spans(queries * size_t(count) * size_t(span_floats(v_dim_)));
    args.spans = spans.data();
    for (int i = pieces; i-- > 0;)
      kernels().attend_spans(&args, 1, count * i / pieces, count * (i + 1) / pieces);
    kernels().merge_spans(args);
    return out;
  }

  // The last tokens with all heads, as a model asks for it: q [tokens, n_heads * k_dim].
  py::tuple attend_tokens(const AnyFloats& q, float scale, int window, const std::vector<float>& sinks,
                          int threads, int repeats) {
    check(q.ndim() == 2 && q.shape(0) >= 1 && q.shape(0) <= n_keys_ && q.shape(1) % (heads_ * k_dim_) == 0,
          "q is not [tokens, n_heads * k_dim]");
    const int n_heads = int(q.shape(1)) / k_dim_, tokens = int(q.shape(0));
    check(sinks.empty() || int(sinks.size()) == n_heads, "sinks are not [n_heads]");
    const CachedAttention shape{
        n_heads, heads_, k_dim_, v_dim_, scale, window, sinks.empty() ? nullptr : sinks.data(), latent_};
    ThreadPool pool(threads);
    Workspace ws(pool, attend_scratch(shape));
    Rows in = ws.rows(tokens, int(q.shape(1)));
    for (int i = 0; i < tokens; i++) std::copy_n(q.data(i, 0), in.width, in.row(i));
    const KvPage* pages = pages_.data();
    const Batch batch{{}, {{0, tokens, n_keys_ - tokens, &pages}}, {}, &kv_};
    AnyFloats y({py::ssize_t(tokens), py::ssize_t(n_heads * v_dim_)});
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; i++)
      for (int layer = 0; layer < layers_; layer++) {
        const Arena::Scope scope(ws.arena);
        const Rows out = pestle::attend(ws, batch, shape, layer, in);
        if (i == 0 && layer == 0)
          for (int t = 0; t < tokens; t++) std::copy_n(out.row(t), out.width, y.mutable_data(t, 0));
      }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / repeats;
    return py::make_tuple(y, seconds);
  }

 private:
  const KvGroup& group() const { return kv_.group(0); }
  static int checked(const AnyFloats& k, const AnyFloats& v, bool latent) {
    check(!latent || (k.shape(0) == 1 && v.shape(2) <= k.shape(2)),
          "latent keys have one head, and values no more channels than keys");
    check(k.ndim() == 3 && v.ndim() == 3 && k.shape(0) >= 1 && k.shape(1) >= 1 && k.shape(2) >= 1 &&
              v.shape(0) == k.shape(0) && v.shape(1) == k.shape(1) && v.shape(2) >= 1,
          "k is not [n_kv_heads, keys, k_dim], or v not [n_kv_heads, keys, v_dim]");
    return int(k.shape(0));
  }
  static bool sees(const std::vector<int>& n_keys, const std::vector<int>& first_key, int start) {
    for (size_t i = 0; i < n_keys.size(); i++)
      if (n_keys[i] > start && first_key[i] < start + kPageTokens) return true;
    return false;
  }

  int heads_, n_keys_, k_dim_, v_dim_, layers_;
  bool latent_;
  KvLayout kv_;
  Buffer memory_;
  std::vector<KvPage> pages_;
};

}  // namespace

void bind_kv_pages(py::module_& m) {
  m.attr("MAX_QUERIES") = kMaxQueries;
  py::class_<KvPages>(m, "KvPages",
                      "Pages of keys [n_kv_heads, keys, k_dim] and values [n_kv_heads, keys, v_dim].")
      .def(py::init<const AnyFloats&, const AnyFloats&, const std::string&, int, bool>(), py::arg("k"),
           py::arg("v"), py::arg("kv_type") = "i16", py::arg("layers") = 1, py::arg("latent") = false,
           "latent: one row per position is key and value; v is k[..., :v_dim], and only its shape is read.")
      .def_property_readonly("nbytes", &KvPages::nbytes)
      .def("attend", &KvPages::attend, py::arg("q"), py::arg("n_keys"),
           py::arg("first_key") = std::vector<int>(), py::arg("sinks") = std::vector<float>(),
           py::arg("scale") = 1.0f, py::arg("pieces") = 0,
           "softmax(scale q k^T) v of the first head; query i sees the keys [first_key[i], n_keys[i]).")
      .def("attend_tokens", &KvPages::attend_tokens, py::arg("q"), py::arg("scale") = 1.0f,
           py::arg("window") = 0, py::arg("sinks") = std::vector<float>(), py::arg("threads") = 1,
           py::arg("repeats") = 1,
           "(attention of the last tokens, all heads: [tokens, n_heads * v_dim], seconds for all layers).");
}

}  // namespace pestle
