// Softmax of scores, masked: minidl/ops/attention.py. A warp of 32 threads for each row.
//
// s (…, L, S) scores    p like s, weights; p may be s itself
// A mask lies in memory as it is, and stretches by its strides, 0 where it repeats.

const int WARP = 32;
#define NEVER __int_as_float(0xff800000)  // −∞

struct Mask {
    long long stride[4];  // in numbers, along batch, heads, L and S
    int heads, queries, keys;
    int kind;    // 0 none, 1 truth values, 2 numbers that are added
    int causal;  // whether query i sees no key after i + keys − queries
};

__device__ float warp_max(float a) {
    for (int o = WARP / 2; o; o /= 2) a = fmaxf(a, __shfl_xor_sync(~0u, a, o));
    return a;
}

__device__ float warp_sum(float a) {
    for (int o = WARP / 2; o; o /= 2) a += __shfl_xor_sync(~0u, a, o);
    return a;
}

// p = softmax(scale s) among the keys that may be seen; of a row without any, zeros
extern "C" __global__ void masked_softmax(const float* s, float* p, const void* mask,
                                          Mask how, float scale, long long rows) {
    long long row = blockIdx.x * (long long)(blockDim.x / WARP) + threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    bool inside = row < rows;  // all lanes of the block take part in every shuffle
    row = inside ? row : 0;
    long long query = row % how.queries, head = row / how.queries % how.heads;
    long long batch = row / how.queries / how.heads;
    long long at = batch * how.stride[0] + head * how.stride[1] + query * how.stride[2];
    long long last = how.causal ? query + how.keys - how.queries : how.keys;
    const float* from = s + row * how.keys;
    float* to = p + row * how.keys;

    auto score = [&](int j) {
        if (j > last) return NEVER;
        float x = from[j] * scale;
        long long m = at + j * how.stride[3];
        if (how.kind == 1) return ((const bool*)mask)[m] ? x : NEVER;
        return how.kind == 2 ? x + ((const float*)mask)[m] : x;
    };

    float top = NEVER, sum = 0.0f;
    for (int j = lane; j < how.keys; j += WARP) top = fmaxf(top, score(j));
    top = warp_max(top);
    top = top == NEVER ? 0.0f : top;
    for (int j = lane; j < how.keys; j += WARP) sum += expf(score(j) - top);
    sum = warp_sum(sum);
    if (!inside) return;
    for (int j = lane; j < how.keys; j += WARP)  // a thread writes what it alone reads
        to[j] = sum == 0.0f ? 0.0f : expf(score(j) - top) / sum;
}

// ds = scale p (g − Σ p g); ds may be g itself
extern "C" __global__ void softmax_back(const float* p, const float* g, float* ds,
                                        int keys, float scale, long long rows) {
    long long row = blockIdx.x * (long long)(blockDim.x / WARP) + threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    bool inside = row < rows;
    long long start = (inside ? row : 0) * keys;
    float sum = 0.0f;
    for (int j = lane; j < keys; j += WARP) sum += p[start + j] * g[start + j];
    sum = warp_sum(sum);
    if (!inside) return;
    for (int j = lane; j < keys; j += WARP)
        ds[start + j] = scale * p[start + j] * (g[start + j] - sum);
}
