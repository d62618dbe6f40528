// Cross entropy of scores x (N, K) with whole labels (N,): minidl/ops/loss.py.
//
// A row whose label is ignored, or is no class, has loss 0 and is not counted.
// s = log Σ exp x of a row, so that log p = x − s and p = exp(x − s).

const int WARP = 32;

__device__ float warp_max(float a) {
    for (int o = WARP / 2; o; o /= 2) a = fmaxf(a, __shfl_xor_sync(~0u, a, o));
    return a;
}

__device__ float warp_sum(float a) {
    for (int o = WARP / 2; o; o /= 2) a += __shfl_xor_sync(~0u, a, o);
    return a;
}

__device__ bool counts(long long label, long long ignore, int k) {
    return label != ignore && 0 <= label && label < k;
}

// One warp for each row: its loss, and s.
extern "C" __global__ void rows(const float* x, const long long* labels, float* losses,
                                float* s, int n, int k, long long ignore) {
    int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    bool inside = row < n;  // all lanes of the block take part in every shuffle
    const float* r = x + (long long)(inside ? row : 0) * k;
    float top = r[0], sum = 0.0f;
    for (int j = lane; j < k; j += WARP) top = fmaxf(top, r[j]);
    top = warp_max(top);
    for (int j = lane; j < k; j += WARP) sum += expf(r[j] - top);
    sum = warp_sum(sum);
    if (!inside || lane) return;
    long long label = labels[row];
    s[row] = top + logf(sum);
    losses[row] = counts(label, ignore, k) ? top - r[label] + logf(sum) : 0.0f;
}

// One block: the sum of the losses, and how many rows count. Always in the same order.
extern "C" __global__ void total(const float* losses, const long long* labels,
                                 float* sum_and_count, int n, int k, long long ignore,
                                 int mean) {
    __shared__ float sums[WARP], heard[WARP];
    float a = 0.0f, c = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        a += losses[i];
        c += counts(labels[i], ignore, k);
    }
    a = warp_sum(a);
    c = warp_sum(c);
    if (threadIdx.x % WARP == 0) {
        sums[threadIdx.x / WARP] = a;
        heard[threadIdx.x / WARP] = c;
    }
    __syncthreads();
    if (threadIdx.x) return;
    a = c = 0.0f;
    for (int w = 0; w < blockDim.x / WARP; w++) {
        a += sums[w];
        c += heard[w];
    }
    sum_and_count[0] = mean ? a / c : a;
    sum_and_count[1] = mean ? c : 1.0f;
}

// dx = (p − q) g / count, one thread for each score. g has one number, or one per row.
extern "C" __global__ void back(const float* x, const long long* labels, const float* s,
                                const float* g, const float* sum_and_count, float* dx,
                                int k, int g_per_row, long long ignore,
                                long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    long long row = i / k, label = labels[row];
    float slope = g_per_row ? g[row] : *g / sum_and_count[1];
    float p = expf(x[i] - s[row]);
    dx[i] = counts(label, ignore, k) ? (p - (i % k == label)) * slope : 0.0f;
}
