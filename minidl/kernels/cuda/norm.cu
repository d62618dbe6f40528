// Batch norm of x (N, C, L), where L are the places of an image, and layer norm of
// x (N, D): minidl/ops/norm.py.
//
// A block goes three times through the numbers that share a mean, n of them: the mean,
// the variance, the result. In batch norm they are a channel, in layer norm a row, which
// may take fewer than 256 threads. Sums are always taken in one order.

const int WARP = 32, MOST = 8;  // threads of a warp, warps of a block

// The sum of a over the block, known to every thread.
__device__ float block_sum(float a) {
    __shared__ float part[MOST];
    for (int o = WARP / 2; o; o /= 2) a += __shfl_xor_sync(~0u, a, o);
    __syncthreads();  // everybody has read the sum before this one
    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = a;
    __syncthreads();
    float sum = 0.0f;
    for (int w = 0; w < blockDim.x / WARP; w++) sum += part[w];
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

// y = γ (x − μ) r + β with r = 1 / √(σ² + ε), for the row that is this block's
extern "C" __global__ void layer_norm(const float* x, const float* gamma,
                                      const float* beta, float* y, float* mean,
                                      float* rstd, int d, float eps) {
    long long start = (long long)blockIdx.x * d;
    float sum = 0.0f, squares = 0.0f;
    for (int j = threadIdx.x; j < d; j += blockDim.x) sum += x[start + j];
    float mu = block_sum(sum) / d;
    for (int j = threadIdx.x; j < d; j += blockDim.x) {
        float centered = x[start + j] - mu;
        squares += centered * centered;
    }
    float r = 1.0f / sqrtf(block_sum(squares) / d + eps);
    for (int j = threadIdx.x; j < d; j += blockDim.x)
        y[start + j] = (x[start + j] - mu) * r * gamma[j] + beta[j];
    if (threadIdx.x == 0) mean[blockIdx.x] = mu, rstd[blockIdx.x] = r;
}

// dx = r (γ g − Σ γ g / D − x̂ Σ γ g x̂ / D), for the row that is this block's
extern "C" __global__ void layer_norm_back(const float* x, const float* g,
                                           const float* gamma, const float* mean,
                                           const float* rstd, float* dx, int d) {
    long long start = (long long)blockIdx.x * d;
    float mu = mean[blockIdx.x], r = rstd[blockIdx.x], sum = 0.0f, along = 0.0f;
    for (int j = threadIdx.x; j < d; j += blockDim.x) {
        float dxhat = g[start + j] * gamma[j];
        sum += dxhat;
        along += dxhat * (x[start + j] - mu) * r;
    }
    float a = block_sum(sum) / d, b = block_sum(along) / d;
    for (int j = threadIdx.x; j < d; j += blockDim.x) {
        float xhat = (x[start + j] - mu) * r;
        dx[start + j] = (g[start + j] * gamma[j] - a - xhat * b) * r;
    }
}

// dγ = Σₙ g x̂ ;  dβ = Σₙ g.    A block is 8 rows of 32 columns, and goes down the
// matrix; where one would go far, several do (the grid's y), and each leaves a part of
// the sums: dgamma and dbeta (parts, D).
extern "C" __global__ void layer_norm_sums(const float* x, const float* g,
                                           const float* mean, const float* rstd,
                                           float* dgamma, float* dbeta, int n, int d) {
    __shared__ float found[2][MOST][WARP];
    int lane = threadIdx.x % WARP, row = threadIdx.x / WARP;
    int c = blockIdx.x * WARP + lane;
    float along = 0.0f, sum = 0.0f;
    for (int k = blockIdx.y * MOST + row; k < n && c < d; k += gridDim.y * MOST) {
        long long i = (long long)k * d + c;
        along += g[i] * (x[i] - mean[k]) * rstd[k];
        sum += g[i];
    }
    found[0][row][lane] = along;
    found[1][row][lane] = sum;
    __syncthreads();
    if (row > 1 || c >= d) return;  // the first row adds for γ, the second for β
    float total = 0.0f;
    for (int r = 0; r < MOST; r++) total += found[row][r][lane];
    (row ? dbeta : dgamma)[(long long)blockIdx.y * d + c] = total;
}

// The sums of the parts, a thread for each column of one and then of the other
extern "C" __global__ void layer_norm_totals(const float* a, const float* b,
                                             float* dgamma, float* dbeta, int parts,
                                             int d, long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x, c = at % d;
    if (at >= size) return;
    float total = 0.0f;
    for (int k = 0; k < parts; k++) total += (at < d ? a : b)[(long long)k * d + c];
    (at < d ? dgamma : dbeta)[c] = total;
}
