// erf and gelu, a thread for each number: minidl/ops/elementwise.py, activation.py.

const float FAR = 1000.0f;  // where Φ and its slope are 0 or 1 in any float; ∞ · 0 is none

__device__ float within(float x, float low, float high) {  // and a nan stays one
    return x < low ? low : x > high ? high : x;
}

// Φ(x) of N(0, 1), or its approximation by tanh, and its slope
__device__ float normal(float x, int approximate, float* slope) {
    const float SCALE = 0.7978845608f, CUBIC = 0.044715f;  // √(2/π)
    if (!approximate) {
        *slope = 0.3989422804f * expf(-0.5f * x * x);  // 1 / √(2π)
        return 0.5f * erfcf(-0.7071067812f * x);       // no digits cancel, as in 1 + erf
    }
    float square = CUBIC * x * x, t = tanhf(SCALE * x * (1.0f + square));
    *slope = 0.5f * (1.0f - t * t) * SCALE * (1.0f + 3.0f * square);
    return 0.5f * (1.0f + t);
}

// y = x Φ(x)
extern "C" __global__ void gelu(const float* x, float* y, int approximate,
                                long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    float slope, phi = normal(within(x[i], -FAR, FAR), approximate, &slope);
    y[i] = (x[i] < -FAR ? -FAR : x[i]) * phi;
}

// dx = g (Φ + x Φ′)
extern "C" __global__ void gelu_back(const float* x, const float* g, float* dx,
                                     int approximate, long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    float near = within(x[i], -FAR, FAR), slope;
    float phi = normal(near, approximate, &slope);
    dx[i] = g[i] * (phi + near * slope);
}

extern "C" __global__ void erf_of(const float* x, float* y, long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < size) y[i] = erff(x[i]);
}

// dx = g 2/√π exp(−x²)
extern "C" __global__ void erf_back(const float* x, const float* g, float* dx,
                                      long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < size) dx[i] = g[i] * 1.128379167f * expf(-x[i] * x[i]);
}
