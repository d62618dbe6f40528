// cudasim.h: run CUDA C++ kernels on the CPU. One OS thread; the threads of a block are
// fibers, a barrier a switch between them, and __shared__ a static. Blocks run one after
// another.
#pragma once
#define __CUDASIM__ 1
#include <type_traits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstdint>
#include <cstddef>
#include <cstring>
#include <cassert>
#include <climits>
#include <vector>
#include <algorithm>
#include <ucontext.h>
using std::min; using std::max; using std::isnan; using std::isinf; using std::isfinite; using std::signbit;
#include <complex>
template<class T> struct complex : std::complex<T> { using std::complex<T>::complex; complex(const std::complex<T>&z):std::complex<T>(z){} };

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __noinline__
#undef __launch_bounds__
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
static inline unsigned short __float2half_rn(float f) { _Float16 h = (_Float16)f; unsigned short u; memcpy(&u, &h, 2); return u; }
static inline float __half2float(unsigned short u) { _Float16 h; memcpy(&h, &u, 2); return (float)h; }
template<class H> static inline unsigned short __half_as_ushort(H h) { unsigned short u; memcpy(&u, &h, 2); return u; }
struct __uh { unsigned short u; template<class H> operator H() const { H h; memcpy(&h, &u, 2); return h; } };
static inline __uh __ushort_as_half(unsigned short u) { return {u}; }
struct sim3 { unsigned x, y, z; };
static sim3 threadIdx, blockIdx, blockDim, gridDim; static const int warpSize = 32;
static char *__dynsmem = nullptr;
// ------------------------------------------------------------------ fibers
// A thread runs until it waits: for its warp, at a shuffle or __syncwarp, or for its
// block, at __syncthreads. It goes on when all whom it waits for have come. A warp does
// not wait for other warps, so that a __syncthreads missing beside a shuffle shows.
enum __Wait { __READY, __WARP, __BLOCK, __DONE };
struct Fiber { ucontext_t ctx; char *stack; __Wait wait; unsigned mask; sim3 tid; };
static std::vector<Fiber> __fib; static ucontext_t __main; static int __cur = -1, __order = 0; static long __barriers = 0;
static inline void __yield(__Wait wait, unsigned mask) {
  if (__cur < 0) return; __barriers++; __fib[__cur].wait = wait; __fib[__cur].mask = mask; swapcontext(&__fib[__cur].ctx, &__main); }
static inline void __syncthreads() { __yield(__BLOCK, 0); }
static inline void __syncwarp(unsigned mask = ~0u) { __yield(__WARP, mask); }
static inline void __threadfence() {} static inline void __threadfence_block() {}
// What a lane shows to its warp. Two places, by turns: nobody can be two shuffles ahead.
static uint64_t __xch[2][1024]; static unsigned char __turn[1024];
static inline int __place() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
template<class T> static inline T __xchg(unsigned mask, T v, int src) {
  int t = __place(); uint64_t b = 0; memcpy(&b, &v, sizeof(T)); auto &x = __xch[__turn[t] ^= 1]; x[t] = b;
  __yield(__WARP, mask); b = x[(t & ~31) + (src & 31)]; T o; memcpy(&o, &b, sizeof(T)); return o; }
static inline int __lane() { return __place() & 31; }
template<class T> T __shfl_sync(unsigned m, T v, int s, int w = 32) { return __xchg(m, v, (__lane() & ~(w-1)) + (s & (w-1))); }
template<class T> T __shfl_down_sync(unsigned m, T v, unsigned d, int w = 32) { int l = __lane(); return __xchg(m, v, (l % w) + (int)d < w ? l + d : l); }
template<class T> T __shfl_up_sync(unsigned m, T v, unsigned d, int w = 32) { int l = __lane(); return __xchg(m, v, (l % w) >= (int)d ? l - d : l); }
template<class T> T __shfl_xor_sync(unsigned m, T v, int o, int w = 32) { return __xchg(m, v, __lane() ^ o); }
// ------------------------------------------------------------------ intrinsics
#define __popc __builtin_popcount
#define __popcll __builtin_popcountll
#define __clz(x) ((x) ? __builtin_clz(x) : 32)
template<class A, class B> static inline B __bitcast(A a) { B b; memcpy(&b, &a, sizeof(b)); return b; }
#define __int_as_float(x) __bitcast<int, float>(x)
#define __uint_as_float(x) __bitcast<unsigned, float>(x)
#define __float_as_int(x) __bitcast<float, int>(x)
#define __float_as_uint(x) __bitcast<float, unsigned>(x)
#define __longlong_as_double(x) __bitcast<long long, double>(x)
#define __double_as_longlong(x) __bitcast<double, long long>(x)
static inline float rsqrtf(float x) { return 1.f / sqrtf(x); } static inline double rsqrt(double x) { return 1. / sqrt(x); } static inline float rsqrt(float x) { return 1.f / sqrtf(x); }
static inline float __expf(float x) { return expf(x); }
static inline float __logf(float x) { return logf(x); }
static inline float __fdividef(float a, float b) { return a / b; } static inline float __frcp_rn(float a) { return 1.f / a; }
static inline void sincospif(float x, float *s, float *c) { *s = (float)sin(M_PI * x); *c = (float)cos(M_PI * x); }
static inline float __fmul_rn(float a, float b) { return a * b; } static inline float __fadd_rn(float a, float b) { return a + b; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a * b) >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)(((unsigned __int128)a * b) >> 64); }
template<class T> static inline T __ldg(const T* p) { return *p; }
template<class T> static inline std::enable_if_t<std::is_arithmetic_v<T>, T> atomicAdd(T *p, T v) { T o = *p; *p = o + v; return o; }
static inline int atomicCAS(int *p, int c, int v) { int o = *p; if (o == c) *p = v; return o; }
static inline unsigned atomicCAS(unsigned *p, unsigned c, unsigned v) { unsigned o = *p; if (o == c) *p = v; return o; }
static inline unsigned long long atomicCAS(unsigned long long *p, unsigned long long c, unsigned long long v) { auto o = *p; if (o == c) *p = v; return o; }
static inline int atomicMax(int *p, int v) { int o = *p; *p = max(o, v); return o; }
static inline int atomicMin(int *p, int v) { int o = *p; *p = min(o, v); return o; }
static inline unsigned atomicMax(unsigned *p, unsigned v) { unsigned o = *p; *p = max(o, v); return o; }
static inline unsigned long long atomicMax(unsigned long long *p, unsigned long long v) { auto o = *p; *p = max(o, v); return o; }
#ifndef CUDART_INF_F
#endif
// ------------------------------------------------------------------ launcher
template<class... P> struct Unpack { template<size_t... I> static void call(void (*f)(P...), void **a, std::index_sequence<I...>) { f(*(typename std::remove_reference<P>::type *)a[I]...); }
  static void go(void (*f)(P...), void **a) { call(f, a, std::index_sequence_for<P...>{}); } };
template<class... P> static void __go(void (*f)(P...), void **a) { Unpack<P...>::go(f, a); }
template<class... P> static int __sizes(void (*f)(P...), int *o) { int i = 0; ((o[i++] = (int)sizeof(P)), ...); return i; }
static void (*__body)(void **); static void **__args;
static void __entry() { __body(__args); __fib[__cur].wait = __DONE; swapcontext(&__fib[__cur].ctx, &__main); }
static void __start(Fiber &f, unsigned t, const unsigned *b) {
  const size_t __STACK = 64 << 10; if (!f.stack) f.stack = (char *)malloc(__STACK);
  f.wait = __READY; f.tid = {t % b[0], t / b[0] % b[1], t / (b[0] * b[1])}; __turn[t] = 0;
  getcontext(&f.ctx); f.ctx.uc_stack.ss_sp = f.stack; f.ctx.uc_stack.ss_size = __STACK; f.ctx.uc_link = 0; makecontext(&f.ctx, __entry, 0); }
// Let the lanes that have met go on: all that a lane's mask names, or that have ended;
// those show what is no number.
static bool __release(unsigned first, unsigned end) {
  bool any = false;
  for (unsigned t = first; t < end; t++) { auto &f = __fib[t]; if (f.wait != __WARP) continue;
    bool all = f.mask >> (t - first) & 1;
    for (unsigned o = first; o < end && all; o++) if (f.mask >> (o - first) & 1) { auto &g = __fib[o]; all = g.wait == __DONE || (g.wait == __WARP && g.mask == f.mask); }
    if (!all) continue;
    any = true; unsigned mask = f.mask; int turn = __turn[t];
    for (unsigned o = first; o < end; o++) if (mask >> (o - first) & 1) { if (__fib[o].wait == __DONE) __xch[turn][o] = ~0ull; else __fib[o].wait = __READY; } }
  return any; }
// Run a warp as far as it gets alone; in order 2 only to its next shuffle, for then it
// is another's turn. Return whether it moved.
static bool __run_warp(unsigned first, unsigned end) {
  bool moved = false; std::vector<unsigned> lanes;
  for (unsigned t = first; t < end; t++) lanes.push_back(__order == 1 ? end - 1 - (t - first) : t);
  do {
    if (__order == 2) std::random_shuffle(lanes.begin(), lanes.end());
    for (unsigned t : lanes) { auto &f = __fib[t]; if (f.wait != __READY) continue; moved = true; __cur = t; threadIdx = f.tid; swapcontext(&__main, &f.ctx); }
  } while (__release(first, end) && __order != 2);
  return moved; }
// Run a block; false if nobody can go on: a barrier that some threads never reach.
static bool __run_block(unsigned n, const unsigned *b) {
  std::vector<unsigned> warps;
  for (unsigned t = 0; t < n; t++) { __start(__fib[t], t, b); if (t % 32 == 0) warps.push_back(__order == 1 ? (n - 1) / 32 * 32 - t : t); }
  for (;;) {
    bool moved = false; unsigned done = 0, waiting = 0;
    if (__order == 2) std::random_shuffle(warps.begin(), warps.end());
    for (unsigned w : warps) moved |= __run_warp(w, min(w + 32, n));
    for (unsigned t = 0; t < n; t++) { done += __fib[t].wait == __DONE; waiting += __fib[t].wait == __BLOCK; }
    if (done == n) return true;
    if (done + waiting == n) { for (unsigned t = 0; t < n; t++) if (__fib[t].wait == __BLOCK) __fib[t].wait = __READY; }
    else if (!moved) return false;
  } }
static long __run(void (*body)(void **), const unsigned *g, const unsigned *b, size_t smem, void **args, int fibers) {
  gridDim = {g[0], g[1], g[2]}; blockDim = {b[0], b[1], b[2]}; __body = body; __args = args; __barriers = 0;
  std::vector<char> sm(smem + 64); __dynsmem = (char *)(((uintptr_t)sm.data() + 63) & ~(uintptr_t)63);
  unsigned n = b[0] * b[1] * b[2]; if (fibers && __fib.size() < n) __fib.resize(n, Fiber());
  for (unsigned z = 0; z < g[2]; z++) for (unsigned y = 0; y < g[1]; y++) for (unsigned x = 0; x < g[0]; x++) {
    blockIdx = {x, y, z};
    if (fibers) { bool fine = __run_block(n, b); __cur = -1; if (!fine) return -1; }
    else for (unsigned t = 0; t < n; t++) { threadIdx = {t % b[0], t / b[0] % b[1], t / (b[0] * b[1])}; body(args); }
  }
  return __barriers;
}
