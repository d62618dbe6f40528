// Batch norm of x (N, C, L), where L are the places of an image: minidl/ops/norm.py.
//
// A block of 256 threads does one channel, and goes three times through its N L
// numbers: the mean, the variance, the result. Sums are always taken in one order.

const int WARP = 32, WARPS = 8;

// The sum of a over the block, known to every thread.
__device__ float block_sum(float a) {
    __shared__ float part[WARPS];
    for (int o = WARP / 2; o; o /= 2) a += __shfl_xor_sync(~0u, a, o);
    __syncthreads();  // everybody has read the sum before this one
    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = a;
    __syncthreads();
    float sum = 0.0f;
    for (int w = 0; w < WARPS; w++) sum += part[w];
    return sum;
}

// Where the k-th number of this block's channel lies.
__device__ long long place(long long k, int length) {
    return (k / length * gridDim.x + blockIdx.x) * length + k % length;
}

// y = γ (x − μ) r + β with r = 1 / √(σ² + ε)
extern "C" __global__ void batch_norm(const float* x, const float* gamma,
                                      const float* beta, float* y, float* mean,
                                      float* var, float* rstd, int length, float eps,
                                      long long n) {
    int c = blockIdx.x;
    float sum = 0.0f, squares = 0.0f;
    for (long long k = threadIdx.x; k < n; k += blockDim.x) sum += x[place(k, length)];
    float mu = block_sum(sum) / n;
    for (long long k = threadIdx.x; k < n; k += blockDim.x) {
        float centered = x[place(k, length)] - mu;
        squares += centered * centered;
    }
    float v = block_sum(squares) / n, r = 1.0f / sqrtf(v + eps), scale = r * gamma[c];
    for (long long k = threadIdx.x; k < n; k += blockDim.x) {
        long long i = place(k, length);
        y[i] = (x[i] - mu) * scale + beta[c];
    }
    if (threadIdx.x == 0) mean[c] = mu, var[c] = v, rstd[c] = r;
}

// dβ = Σ g ;  dγ = Σ g x̂ ;  dx = γ r (g − dβ / n − x̂ dγ / n)
extern "C" __global__ void batch_norm_back(const float* x, const float* g,
                                           const float* gamma, const float* mean,
                                           const float* rstd, float* dx, float* dgamma,
                                           float* dbeta, int length, long long n) {
    int c = blockIdx.x;
    float mu = mean[c], r = rstd[c], sum = 0.0f, along = 0.0f;
    for (long long k = threadIdx.x; k < n; k += blockDim.x) {
        long long i = place(k, length);
        sum += g[i];
        along += g[i] * (x[i] - mu) * r;
    }
    float db = block_sum(sum), dg = block_sum(along), scale = gamma[c] * r;
    for (long long k = threadIdx.x; k < n; k += blockDim.x) {
        long long i = place(k, length);
        dx[i] = (g[i] - db / n - (x[i] - mu) * r * (dg / n)) * scale;
    }
    if (threadIdx.x == 0) dgamma[c] = dg, dbeta[c] = db;
}
