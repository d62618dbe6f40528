// The gradient of an embedding, always summed in the same order: minidl/ops/indexing.py.
//
// ids (n,) rows that were taken, n of them    g (n, D) what arrived for each
// y (rows, D)    y[row] = Σ g[m] over all m with ids[m] = row, the first m first
//
// No number is added by two threads at once, for then their order, and with it the last
// bits of the sum, would be left to chance. Whole numbers may be: a count has no order.

const int WARP = 32, WARPS = 8;

// places[m] = ids[m] as a row, wrapped around like CuPy's indices; counts[row] of them
extern "C" __global__ void count(const long long* ids, int* places, int* counts,
                                 int rows, long long n) {
    long long m = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (m >= n) return;
    int row = ids[m] % rows;
    row = row < 0 ? row + rows : row;
    places[m] = row;
    atomicAdd(counts + row, 1);
}

// A block of 256 threads for each row, and for each 256 columns of it. It reads the
// places in order, 256 at a time, until it has found as many as were counted; each
// thread then adds up its own column of what was found. So at most min(rows, n) · n
// places are read, most of them from the cache, and every number of g once.
extern "C" __global__ void gather(const int* places, const int* counts, const float* g,
                                  float* y, int d, long long n) {
    __shared__ unsigned hits[WARPS];
    int row = blockIdx.x, column = blockIdx.y * blockDim.x + threadIdx.x;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int left = counts[row];
    float sum = 0.0f;
    for (long long first = 0; left > 0; first += blockDim.x) {
        long long m = first + threadIdx.x;
        unsigned found = m < n && places[m] == row ? 1u << lane : 0u;
        for (int o = WARP / 2; o; o /= 2) found |= __shfl_xor_sync(~0u, found, o);
        if (lane == 0) hits[warp] = found;
        __syncthreads();
        for (int w = 0; w < WARPS; w++) {
            for (unsigned bits = hits[w]; bits; bits &= bits - 1) {
                int lowest = 31 - __clz(bits & -bits);
                if (column < d) sum += g[(first + w * WARP + lowest) * d + column];
                left--;
            }
        }
        __syncthreads();  // everybody has read the hits
    }
    if (column < d) y[(long long)row * d + column] = sum;
}
