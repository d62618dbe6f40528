// Activations, one thread for each number.

// y = max(x, 0), and a nan stays one
extern "C" __global__ void relu(const float* x, float* y, long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < size) y[i] = x[i] <= 0.0f ? 0.0f : x[i];
}

// dx = g where y > 0, else 0
extern "C" __global__ void relu_back(const float* y, const float* g, float* dx,
                                     long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < size) dx[i] = y[i] > 0.0f ? g[i] : 0.0f;
}
