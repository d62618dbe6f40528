// Optimizers: one launch moves every parameter. The rules are those of minidl/optim.
//
// A table says where the arrays of each parameter lie; it travels with the launch, as
// an argument (at most 4 KB), so that nothing is copied to the device. A block moves
// CHUNK numbers of one parameter.

const int MOST = 80;  // parameters of one launch
const int CHUNK = 2048;

struct Table {
    float* p[MOST];
    const float* g[MOST];
    float* a[MOST];  // the slots of a rule: v, or m and v
    float* b[MOST];
    int size[MOST];
    int first[MOST];  // the first block of each parameter
};

// Apply rule(j, i) to the numbers j of parameter i that are this block's.
template <class Rule>
__device__ void each(const Table& t, int parameters, Rule rule) {
    int i = 0;
    while (i + 1 < parameters && t.first[i + 1] <= blockIdx.x) i++;
    int start = (blockIdx.x - t.first[i]) * CHUNK;
    int end = min(start + CHUNK, t.size[i]);
    for (int j = start + threadIdx.x; j < end; j += blockDim.x) rule(j, i);
}

// θ ← θ − η g, where g has got λ θ
extern "C" __global__ void sgd(const __grid_constant__ Table t, int parameters, float lr,
                               float decay) {
    each(t, parameters, [&](int j, int i) {
        float p = t.p[i][j], g = t.g[i][j] + decay * p;
        t.p[i][j] = p - lr * g;
    });
}

// v ← μ v + (1 − τ) g ;  θ ← θ − η v, or with a look ahead θ ← θ − η (g + μ v)
extern "C" __global__ void momentum(const __grid_constant__ Table t, int parameters,
                                    float lr, float decay, float mu, float share,
                                    int ahead) {
    each(t, parameters, [&](int j, int i) {
        float p = t.p[i][j], g = t.g[i][j] + decay * p;
        float v = mu * t.a[i][j] + share * g;
        t.a[i][j] = v;
        t.p[i][j] = p - lr * (ahead ? g + mu * v : v);
    });
}

// m ← β₁ m + (1 − β₁) g ;  v ← β₂ v + (1 − β₂) g² ;  θ ← θ − η m̂ / (√v̂ + ε)
// rest = 1 − β and hat = 1 − βᵗ are computed in double; shrink = 1 − η λ is AdamW's.
extern "C" __global__ void adam(const __grid_constant__ Table t, int parameters, float lr,
                                float decay, float shrink, float beta1, float rest1,
                                float hat1, float beta2, float rest2, float hat2,
                                float eps) {
    each(t, parameters, [&](int j, int i) {
        float p = t.p[i][j] * shrink, g = t.g[i][j] + decay * p;
        float m = beta1 * t.a[i][j] + rest1 * g;
        float v = beta2 * t.b[i][j] + rest2 * g * g;
        t.a[i][j] = m;
        t.b[i][j] = v;
        t.p[i][j] = p - lr * (m / hat1) / (sqrtf(v / hat2) + eps);
    });
}
