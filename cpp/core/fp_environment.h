// Rounding to nearest and no flushing of subnormals, whatever the process has set: results must not depend on
// it.
#pragma once

#include <cfenv>

namespace pestle {

class DefaultFpEnvironment {
 public:
  DefaultFpEnvironment() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFpEnvironment() { std::fesetenv(&before_); }
  DefaultFpEnvironment(const DefaultFpEnvironment&) = delete;
  DefaultFpEnvironment& operator=(const DefaultFpEnvironment&) = delete;

 private:
  std::fenv_t before_;
};

}  // namespace pestle
