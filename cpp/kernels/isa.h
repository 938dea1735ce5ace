// What the sources of one kernel set share: the functions behind its table. Included with
// PESTLE_ISA_NAMESPACE set.
#pragma once

#include "kernels/table.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

// gemm.cpp
size_t scratch_bytes(Format format);
Matmul direct_of(Format format, bool wide);
Matmul multiply_of(Format format, bool wide);
PanelKind panel_of(Format format, bool wide);
int most_direct_rows();
double int8_operations(int iterations);

// attention.cpp
double int16_operations(int iterations);
void attend(const AttendArgs& args);
void attend_spans(const AttendArgs* heads, int n_heads, int begin, int end);
void merge_spans(const AttendArgs& args);

// kv_store.cpp
void store_key(const float* k, int head_dim, void* page, int position, KvType type);
void store_value(const float* v, int value_dim, void* page, int position, KvType type);
void store_latent(const float* row, int head_dim, int value_dim, void* page, int position, KvType type);

// panels.cpp
void make_panels(const PanelArgs& args, int begin, int end);

// elementwise.cpp
void rms_norm(const float* x, const float* w, float* y, int n, float eps);
void gate_mul(Activation activation, float* gate, const float* up, int n);
void softmax(float* x, int n);
void sigmoid(float* x, int n);
void add_scaled(float* y, const float* x, float scale, int n);
void rope(float* x, const float* cos, const float* sin, int half);

}  // namespace pestle::PESTLE_ISA_NAMESPACE
