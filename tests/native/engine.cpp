// An engine in the hands of several threads, as the bindings allow it: for ThreadSanitizer.
//
//   engine MODEL THREADS ROUNDS [SLOTS]
//
// With SLOTS the experts are read from the file, and so many of them fit into memory.
//
// The threads step, fork, truncate, keep, recall, restore, sample and drop sequences of a few texts. Whatever
// a step gives is compared, to the bit, with what one thread alone gave. Prints how many steps there were.
#include "runtime/engine.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "arguments.h"
#include "runtime/choosing.h"
#include "runtime/sampler.h"

namespace {

using pestle::Engine;
using pestle::Sequence;
using Text = std::vector<int32_t>;
using Row = std::vector<float>;

constexpr int kTexts = 3, kLength = 200, kStep = 23;

void expect(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

// They begin alike, so that they share pages.
Text text(int which, int vocabulary) {
  Text tokens;
  for (int i = 0; i < kLength; i++)
    tokens.push_back((7 * i * i + 3 * i + (i < 90 ? 0 : 11 * which)) % vocabulary);
  return tokens;
}

Row last_row(const Engine& engine) {
  const auto logits = engine.logits(engine.logits_rows() - 1);
  return {logits.begin(), logits.end()};
}

class Storm {
 public:
  Storm(std::shared_ptr<const pestle::Model> model, int rounds) : rounds_(rounds) {
    pestle::EngineOptions options;
    options.n_ctx = kLength;
    options.threads = 2;
    options.chunk = kStep;
    options.prefix_cache = size_t(1) << 16;  // a few pages: what is kept goes again
    for (int t = 0; t < kTexts; t++) texts_.push_back(text(t, model->n_vocab));
    {
      Engine alone(model, options);
      for (const Text& tokens : texts_) {
        Sequence sequence(alone);
        std::vector<Row>& rows = expected_.emplace_back();
        for (int i = 0; i < kLength; i++) {
          const pestle::Input input{&sequence, std::span(tokens).subspan(size_t(i), 1)};
          alone.step({&input, 1});
          rows.push_back(last_row(alone));
        }
      }
    }
    engine_ = std::make_unique<Engine>(std::move(model), options);
  }

  int run(int threads) {
    std::vector<std::thread> all;
    for (int i = 0; i < threads; i++)
      all.emplace_back([this, i] {
        try {
          work(unsigned(i));
        } catch (const std::exception& error) {
          const std::lock_guard lock(failing_);
          failure_ = error.what();
        }
      });
    for (std::thread& t : all) t.join();
    if (!failure_.empty()) throw std::runtime_error(failure_);
    return steps_;
  }

 private:
  struct Held {
    int text;
    Sequence sequence;
  };

  void work(unsigned seed) {
    std::mt19937 random(seed);
    const auto below = [&](int n) { return int(random() % unsigned(n)); };
    std::vector<Held> held;
    for (int round = 0; round < rounds_; round++) {
      if (held.empty() || below(6) == 0) held.push_back(begin(below(kTexts)));
      const size_t i = size_t(below(int(held.size())));
      switch (below(6)) {
        case 0:
          held.push_back(fork(held[i], below(1000)));
          break;
        case 1:
          truncate(held[i], below(1000));
          break;
        case 2:
          keep(held[i].sequence);
          break;
        case 3:
          held.push_back(restored(held[i]));
          break;
        default:
          step(held[i], 1 + below(kStep), below(2) == 0);
      }
      if (held.size() > 5) held.erase(held.begin() + below(int(held.size())));
    }
  }

  // Of what is kept of the text, as much as there is.
  Held begin(int which) {
    const auto lock = engine_->lock();
    const Text& tokens = texts_[size_t(which)];
    Held h{which, engine_->recall(tokens, engine_->find(tokens).reusable)};
    h.sequence.remember();
    return h;
  }

  Held fork(const Held& h, int n) {
    const auto lock = engine_->lock();
    return {h.text, h.sequence.fork(n % (h.sequence.n_tokens() + 1))};
  }

  void truncate(Held& h, int n) {
    const auto lock = engine_->lock();
    h.sequence.truncate(n % (h.sequence.n_tokens() + 1));
  }

  void keep(const Sequence& sequence) {
    const auto lock = engine_->lock();
    engine_->keep(sequence);
  }

  Held restored(const Held& h) {
    Text tokens;
    std::map<std::pair<int, int>, std::string> pages;
    {
      const auto lock = engine_->lock();
      tokens.assign(h.sequence.tokens().begin(), h.sequence.tokens().end());
      for (int g = 0; g < h.sequence.pages().n_groups(); g++)
        for (int i = 0; i < pestle::pages_of(h.sequence.n_tokens()); i++) {
          const auto page = h.sequence.pages().table(g).page(i);
          if (page.id < 0) continue;
          std::string& bytes = pages[{g, i}];
          bytes.resize(engine_->kv_layout().group(g).page_bytes());
          engine_->kv_layout().group(g).gather(page.place, bytes.data());
        }
    }
    return {h.text, engine_->restore(tokens, [&](int group, int index, char* to) {
              const auto found = pages.find({group, index});
              if (found == pages.end()) return false;
              std::copy(found->second.begin(), found->second.end(), to);
              return true;
            })};
  }

  void step(Held& h, int n, bool looks) {
    const Text& tokens = texts_[size_t(h.text)];
    const int from = h.sequence.n_tokens();  // this thread's own
    n = std::min(n, kLength - from);
    if (n == 0) return;
    const pestle::Input input{&h.sequence, std::span(tokens).subspan(size_t(from), size_t(n)),
                              looks ? pestle::LogitsOf::last : pestle::LogitsOf::none};
    steps_++;
    if (!looks) return engine_->step({&input, 1});
    Row row;
    int32_t chosen = -1;
    {
      const std::lock_guard turn(looking_);  // another step would take the logits away
      engine_->step({&input, 1});
      try {
        const pestle::Choice choice{&sampler_, &h.sequence, 0, {}, 2, {}, {}};
        chosen = engine_->choose({&choice, 1})[0].tokens[0].token;
      } catch (const std::out_of_range&) {
        return;  // one that does not look came between
      }
      const auto lock = engine_->lock();
      if (engine_->logits_rows() == 0) return;
      row = last_row(*engine_);
    }
    const Row& expected = expected_[size_t(h.text)][size_t(from + n - 1)];
    expect(std::memcmp(row.data(), expected.data(), row.size() * sizeof(float)) == 0, "logits differ");
    const auto history = std::span(tokens).first(size_t(from + n));
    const int32_t token = sampler_.sample(row, history, 2).token;
    expect(token == pestle::Sampler({}).sample(expected, history, 0).token,
           "a shared sampler chose another token");
    expect(token == chosen, "the engine chose another token");
    const auto lock = engine_->lock();
    expect(engine_->kept_bytes() <= engine_->kv_bytes(), "more is kept than there is");
  }

  int rounds_;
  std::vector<Text> texts_;
  std::vector<std::vector<Row>> expected_;  // of each text, after each token
  std::unique_ptr<Engine> engine_;
  pestle::Sampler sampler_{{}};
  std::mutex looking_, failing_;
  std::atomic<int> steps_{0};
  std::string failure_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto given = native::arguments(argc, argv);
  if (given.size() != 4 && given.size() != 5) {
    std::fputs("usage: engine MODEL THREADS ROUNDS [SLOTS]\n", stderr);
    return 2;
  }
  try {
    const auto file = pestle::gguf::File::open(given[1]);
    pestle::LoadOptions options;
    options.threads = 2;
    if (given.size() == 5)
      options.expert_memory = pestle::Outline::of(file).experts.bytes(std::stoi(given[4]));
    Storm storm(pestle::Model::load(file, options, [](size_t, size_t) {}), std::stoi(given[3]));
    std::printf("%d\n", storm.run(std::stoi(given[2])));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "engine: %s\n", error.what());
    return 1;
  }
  return 0;
}
