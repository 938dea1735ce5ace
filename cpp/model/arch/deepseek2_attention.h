// DeepSeek's latent attention: its shape, and its tensors under the names of older and newer files.
#pragma once

#include "model/arch/parts.h"

namespace pestle {

struct LatentShape {
  int rank, nope, rope, v_dim;  // of the latent; of each head
  int qk() const { return nope + rope; }
};

// FormatError where the keys do not make latent attention.
LatentShape latent_shape(const Hyperparameters& h);
LatentAttention latent_attention(const Hyperparameters& h, Weights& w, const LatentShape& s, int layer,
                                 const std::shared_ptr<const Rope>& rope);

}  // namespace pestle
