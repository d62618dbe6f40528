// Optimizers: one launch moves every parameter. The rules are those of minidl/optim.
//
// A table says where the arrays of each parameter lie; it travels with the launch, as
// an argument (at most 4 KB), so that nothing is copied to the device. A block moves
// CHUNK numbers of one parameter. What is the same for all numbers is computed before,
// on the host, in double: rest = 1 − β, hat = 1 − βᵗ.

const int MOST = 80;  // parameters of one launch
const int CHUNK = 2048;

struct Table {
    float* p[MOST];
    const float* g[MOST];
    float* a[MOST];  // the slots of a rule, up to three
    float* b[MOST];
    float* c[MOST];
    int size[MOST];
    int first[MOST];  // the first block of each parameter
};

// A number of a rule. It comes with the launch; but a captured step is replayed with the
// launches of another day, and reads it from memory that the host has written since.
struct Number {
    float value;
    const float* at;
    __device__ operator float() const { return at ? __ldg(at) : value; }
};

// Apply rule(p, g, j, i) to the numbers j of parameter i that are this block's, and
// keep what it returns as the new p; g has got λ θ.
template <class Rule>
__device__ void each(const Table& t, int parameters, float decay, Rule rule) {
    int i = 0;
    while (i + 1 < parameters && t.first[i + 1] <= blockIdx.x) i++;
    int start = (blockIdx.x - t.first[i]) * CHUNK;
    int end = min(start + CHUNK, t.size[i]);
    for (int j = start + threadIdx.x; j < end; j += blockDim.x) {
        float p = t.p[i][j];
        t.p[i][j] = rule(p, t.g[i][j] + decay * p, j, i);
    }
}

// x ← share · x + more, and the new x
__device__ float follow(float& x, float share, float more) {
    return x = share * x + more;
}

// The larger of two; nan if one is nan.
__device__ float larger(float x, float y) { return x >= y || x != x ? x : y; }

// θ ← θ − η g
extern "C" __global__ void sgd(const __grid_constant__ Table t, int parameters, Number lr,
                               Number decay) {
    each(t, parameters, decay, [&](float p, float g, int, int) { return p - lr * g; });
}

// v ← μ v + (1 − τ) g ;  θ ← θ − η v, or with a look ahead θ ← θ − η (g + μ v)
extern "C" __global__ void momentum(const __grid_constant__ Table t, int parameters,
                                    Number lr, Number decay, Number mu, Number share,
                                    int ahead) {
    each(t, parameters, decay, [&](float p, float g, int j, int i) {
        float v = follow(t.a[i][j], mu, share * g);
        return p - lr * (ahead ? g + mu * v : v);
    });
}

// s ← s + g² ;  θ ← θ − η g / (√s + ε)
extern "C" __global__ void adagrad(const __grid_constant__ Table t, int parameters,
                                   Number lr, Number decay, Number eps) {
    each(t, parameters, decay, [&](float p, float g, int j, int i) {
        float s = follow(t.a[i][j], 1.0f, g * g);
        return p - lr * g / (sqrtf(s) + eps);
    });
}

// s ← α s + (1 − α) g² ;  u = g / (√s + ε) ;  θ ← θ − η u
// centered: m ← α m + (1 − α) g, and s − m² in place of s ;  b ← μ b + u in place of u
extern "C" __global__ void rmsprop(const __grid_constant__ Table t, int parameters,
                                   Number lr, Number decay, Number alpha, Number rest,
                                   Number eps, int centered, Number mu) {
    each(t, parameters, decay, [&](float p, float g, int j, int i) {
        float s = follow(t.a[i][j], alpha, rest * g * g);
        if (centered) {
            float m = follow(t.b[i][j], alpha, rest * g);
            s -= m * m;
        }
        float u = g / (sqrtf(s) + eps);
        return p - lr * (mu > 0.0f ? follow(t.c[i][j], mu, u) : u);
    });
}

// s ← ρ s + (1 − ρ) g² ;  Δ = √(d + ε) / √(s + ε) · g ;  d ← ρ d + (1 − ρ) Δ²
extern "C" __global__ void adadelta(const __grid_constant__ Table t, int parameters,
                                    Number lr, Number decay, Number rho, Number rest,
                                    Number eps) {
    each(t, parameters, decay, [&](float p, float g, int j, int i) {
        float s = follow(t.a[i][j], rho, rest * g * g);
        float delta = sqrtf(t.b[i][j] + eps) / sqrtf(s + eps) * g;
        follow(t.b[i][j], rho, rest * delta * delta);
        return p - lr * delta;
    });
}

// m ← β₁ m + (1 − β₁) g ;  v ← β₂ v + (1 − β₂) g² ;  θ ← θ − η m̂ / (√v̂ + ε)
// shrink = 1 − η λ is AdamW's ;  amsgrad: the largest v so far, in place of v
extern "C" __global__ void adam(const __grid_constant__ Table t, int parameters, Number lr,
                                Number decay, Number shrink, Number beta1, Number rest1,
                                Number hat1, Number beta2, Number rest2, Number hat2,
                                Number eps, int amsgrad) {
    each(t, parameters, decay, [&](float p, float g, int j, int i) {
        float m = follow(t.a[i][j], beta1, rest1 * g);
        float v = follow(t.b[i][j], beta2, rest2 * g * g);
        if (amsgrad) v = t.c[i][j] = larger(t.c[i][j], v);
        return p * shrink - lr * (m / hat1) / (sqrtf(v / hat2) + eps);
    });
}

// m̄ = (1 − μ) / (1 − Π) g + μ' / (1 − Π μ') m ;  θ ← θ − η m̄ / (√v̂ + ε), with μ' the
// next μ, and Π in c: nadam_product has moved it before, for many blocks read it
extern "C" __global__ void nadam(const __grid_constant__ Table t, int parameters,
                                 Number lr, Number decay, Number beta1, Number rest1,
                                 Number beta2, Number rest2, Number hat2, Number eps,
                                 Number mu, Number next) {
    each(t, parameters, decay, [&](float p, float g, int j, int i) {
        float m = follow(t.a[i][j], beta1, rest1 * g);
        float v = follow(t.b[i][j], beta2, rest2 * g * g);
        float product = *t.c[i];
        float now = (1.0f - mu) / (1.0f - product), then = next / (1.0f - product * next);
        return p - lr * (now * g + then * m) / (sqrtf(v / hat2) + eps);
    });
}

// Π ← Π μ, one number for each parameter: here p is Π
extern "C" __global__ void nadam_product(const __grid_constant__ Table t, int parameters,
                                         Number mu) {
    if (blockIdx.x < parameters && threadIdx.x == 0) *t.p[blockIdx.x] *= mu;
}

// m ← β₁ m + (1 − β₁) g ;  v ← max(β₂ v, |g| + ε) ;  θ ← θ − η m / v
extern "C" __global__ void adamax(const __grid_constant__ Table t, int parameters,
                                  Number lr, Number decay, Number beta1, Number rest1,
                                  Number beta2, Number eps) {
    each(t, parameters, decay, [&](float p, float g, int j, int i) {
        float m = follow(t.a[i][j], beta1, rest1 * g);
        float v = t.b[i][j] = larger(beta2 * t.b[i][j], fabsf(g) + eps);
        return p - lr * m / v;
    });
}
