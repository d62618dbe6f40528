// Activations, alone and behind a bias: minidl/ops/activation.py and linalg.py.
//
// z (N, K) the product of matrices    b (K,) bias    y = max(z + b, 0)    g = ∂L/∂y
// A block of 256 threads is 8 rows of 32 columns, and goes down the matrix; where one
// block would go far, several do (the grid's y), and each leaves a part of the sum.

const int LANES = 32, ROWS = 8;

// max(x, 0), and a nan stays one
__device__ float positive(float x) { return x <= 0.0f ? 0.0f : x; }

// y = max(x, 0), one thread for each number
extern "C" __global__ void relu(const float* x, float* y, long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < size) y[i] = positive(x[i]);
}

// dx = g where y > 0, else 0
extern "C" __global__ void relu_back(const float* y, const float* g, float* dx,
                                     long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < size) dx[i] = y[i] > 0.0f ? g[i] : 0.0f;
}

// y = max(z + b, 0), written over z
extern "C" __global__ void bias_relu(float* z, const float* b, int n, int k) {
    int c = blockIdx.x * LANES + threadIdx.x % LANES;
    if (c >= k) return;
    float bias = b[c];
    int row = blockIdx.y * ROWS + threadIdx.x / LANES;
    for (; row < n; row += gridDim.y * ROWS) {
        long long i = (long long)row * k + c;
        z[i] = positive(z[i] + bias);
    }
}

// Add what the 8 rows of a block have found for column c, and keep it as this block's
// part of the sum.    sums (parts, K)
__device__ void add_up(float a, float* sums, int c, int k) {
    __shared__ float found[ROWS][LANES];
    int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    found[row][lane] = a;
    __syncthreads();
    if (row || c >= k) return;
    float sum = 0.0f;
    for (int r = 0; r < ROWS; r++) sum += found[r][lane];
    sums[(long long)blockIdx.y * k + c] = sum;
}

// dz = g where y > 0, else 0 ;  db = Σₙ dz, in as many parts as the grid is high
extern "C" __global__ void bias_relu_back(const float* y, const float* g, float* dz,
                                          float* db, int n, int k) {
    int c = blockIdx.x * LANES + threadIdx.x % LANES;
    int row = blockIdx.y * ROWS + threadIdx.x / LANES;
    float sum = 0.0f;
    for (; row < n && c < k; row += gridDim.y * ROWS) {
        long long i = (long long)row * k + c;
        float d = y[i] > 0.0f ? g[i] : 0.0f;
        dz[i] = d;
        sum += d;
    }
    add_up(sum, db, c, k);
}

// y = Σₙ x, of x (N, K)
extern "C" __global__ void sum_rows(const float* x, float* y, int n, int k) {
    int c = blockIdx.x * LANES + threadIdx.x % LANES;
    int row = blockIdx.y * ROWS + threadIdx.x / LANES;
    float sum = 0.0f;
    for (; row < n && c < k; row += gridDim.y * ROWS) sum += x[(long long)row * k + c];
    add_up(sum, y, c, k);
}
