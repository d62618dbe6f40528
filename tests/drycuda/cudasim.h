// cudasim.h -- run CUDA C++ kernels on the CPU (prototype).  One OS thread; the threads of a block are fibers, so
// __syncthreads() is a fiber switch and __shared__ a function static.  Blocks run one after another.
#pragma once
#define __CUDASIM__ 1
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
struct Fiber { ucontext_t ctx; char *stack; bool done; sim3 tid; };
static std::vector<Fiber> __fib; static ucontext_t __main; static int __cur = -1, __order = 0; static long __barriers = 0;
static inline void __yield() { if (__cur < 0) return; __barriers++; swapcontext(&__fib[__cur].ctx, &__main); }
static inline void __syncthreads() { __yield(); }
static inline void __syncwarp(unsigned = ~0u) { __yield(); }
static inline void __threadfence() {} static inline void __threadfence_block() {} 
static uint64_t __xch[1024];
template<class T> static inline T __xchg(T v, int src) {          // all lanes publish, barrier, read, barrier (whole block)
  int t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); uint64_t b = 0; memcpy(&b, &v, sizeof(T)); __xch[t] = b; __yield();
  int base = t & ~31; uint64_t r = __xch[base + (src & 31)]; __yield(); T o; memcpy(&o, &r, sizeof(T)); return o; }
static inline int __lane() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31; }
template<class T> T __shfl_sync(unsigned, T v, int s, int w = 32) { return __xchg(v, (__lane() & ~(w-1)) + (s & (w-1))); }
template<class T> T __shfl_down_sync(unsigned, T v, unsigned d, int w = 32) { int l = __lane(); return __xchg(v, (l % w) + (int)d < w ? l + d : l); }
template<class T> T __shfl_up_sync(unsigned, T v, unsigned d, int w = 32) { int l = __lane(); return __xchg(v, (l % w) >= (int)d ? l - d : l); }
template<class T> T __shfl_xor_sync(unsigned, T v, int m, int w = 32) { return __xchg(v, __lane() ^ m); }
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
static inline float __fmul_rn(float a, float b) { return a * b; } static inline float __fadd_rn(float a, float b) { return a + b; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)(((uint64_t)a * b) >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)(((unsigned __int128)a * b) >> 64); }
template<class T> static inline T __ldg(const T* p) { return *p; }
template<class T> static inline T atomicAdd(T *p, T v) { T o = *p; *p = o + v; return o; }
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
static void __entry() { __body(__args); __fib[__cur].done = true; swapcontext(&__fib[__cur].ctx, &__main); }
static long __run(void (*body)(void **), const unsigned *g, const unsigned *b, size_t smem, void **args, int fibers) {
  gridDim = {g[0], g[1], g[2]}; blockDim = {b[0], b[1], b[2]}; __body = body; __args = args; __barriers = 0;
  std::vector<char> sm(smem + 64); __dynsmem = (char *)(((uintptr_t)sm.data() + 63) & ~(uintptr_t)63);
  const size_t SS = 64 << 10; unsigned n = b[0] * b[1] * b[2]; std::vector<unsigned> perm(n); for (unsigned i = 0; i < n; i++) perm[i] = __order == 1 ? n - 1 - i : i;
  if (fibers && __fib.size() < n) { size_t o = __fib.size(); __fib.resize(n); for (; o < n; o++) __fib[o].stack = (char *)malloc(SS); }
  for (unsigned z = 0; z < g[2]; z++) for (unsigned y = 0; y < g[1]; y++) for (unsigned x = 0; x < g[0]; x++) {
    blockIdx = {x, y, z};
    if (!fibers) { for (unsigned t = 0; t < n; t++) { threadIdx = {t % b[0], t / b[0] % b[1], t / (b[0] * b[1])}; body(args); } continue; }
    for (unsigned t = 0; t < n; t++) { auto &f = __fib[t]; f.done = false; f.tid = {t % b[0], t / b[0] % b[1], t / (b[0] * b[1])};
      getcontext(&f.ctx); f.ctx.uc_stack.ss_sp = f.stack; f.ctx.uc_stack.ss_size = SS; f.ctx.uc_link = 0; makecontext(&f.ctx, __entry, 0); }
    for (bool live = true; live;) { live = false; unsigned waiting = 0, finished = 0;
      if (__order == 2) std::random_shuffle(perm.begin(), perm.end());
      for (unsigned q = 0; q < n; q++) { unsigned t = perm[q]; auto &f = __fib[t]; if (f.done) { finished++; continue; } __cur = t; threadIdx = f.tid; swapcontext(&__main, &f.ctx); if (!f.done) { live = true; waiting++; } else finished++; }
    }
    __cur = -1;
  }
  return __barriers;
}
