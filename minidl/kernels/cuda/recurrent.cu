// One step of an LSTM and of a GRU: minidl/ops/recurrent.py.
//
// z what the input says (N, T, K)    u = h wh what the state says (N, K), K / H gates
// y output (N, T, H)    h c states (N, H)    t this time, of `length`    size H
// mask (N, T), or null: who has a token; where there is none the state waits, y is 0
//
// A thread does one unit of one sequence: k of the n = N H numbers of a state.
//
// Back, r = du whᵀ is what came through the product of the step after this one, and
// `kept` what passed beside it; the product with this step's du writes over r.

struct Unit {
    bool on;           // whether there is a token
    long long at;      // in arrays (N, T, H)
    long long gate;    // of the first gate in (N, T, K); the next one lies `size` on
    long long room;    // of the first gate in (N, K)
    int j;             // which of the H
};

__device__ Unit unit(long long k, int gates, const bool* mask, int t, int length,
                     int size) {
    long long row = k / size, time = row * length + t;
    int j = k % size;
    bool on = !mask || mask[time];
    return {on, time * size + j, time * gates * size + j, row * gates * size + j, j};
}

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// i, f, o = σ, g = tanh of z + u + b, kept in place of z;  c ← f c + i g, h ← o tanh c
extern "C" __global__ void lstm(float* z, const float* u, const float* b,
                                const bool* mask, const float* h_old,
                                const float* c_old, float* h_new, float* c_new,
                                float* before, float* cs, float* y, int t, int length,
                                int size, long long n) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= n) return;
    Unit s = unit(k, 4, mask, t, length, size);
    float h = h_old[k], c = c_old[k], gate[4];
    before[s.at] = h;
    cs[s.at] = c;
    if (s.on) {
#pragma unroll
        for (int a = 0; a < 4; a++) {
            float v = z[s.gate + a * size] + u[s.room + a * size];
            if (b) v += b[s.j + a * size];
            gate[a] = a < 3 ? sigmoid(v) : tanhf(v);
            z[s.gate + a * size] = gate[a];
        }
        c = gate[1] * c + gate[0] * gate[3];
        h = gate[2] * tanhf(c);
    }
    h_new[k] = h;
    c_new[k] = c;
    y[s.at] = s.on ? h : 0.0f;
}

// dz and du, which are equal, from dh = r + kept + dy and dc; dc ← dc f
extern "C" __global__ void lstm_back(const float* gates, const float* cs,
                                     const bool* mask, const float* dy, const float* r,
                                     float* kept, float* dc, float* dz, float* du,
                                     int t, int length, int size, long long n) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= n) return;
    Unit s = unit(k, 4, mask, t, length, size);
    float dh = r[k] + kept[k], d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (s.on) {
        const float* p = gates + s.gate;
        float i = p[0], f = p[size], o = p[2 * size], g = p[3 * size], c = cs[s.at];
        float squashed = tanhf(f * c + i * g);
        if (dy) dh += dy[s.at];
        float dcell = dc[k] + dh * o * (1.0f - squashed * squashed);
        d[0] = dcell * g * i * (1.0f - i);
        d[1] = dcell * c * f * (1.0f - f);
        d[2] = dh * squashed * o * (1.0f - o);
        d[3] = dcell * i * (1.0f - g * g);
        dc[k] = dcell * f;
    }
    kept[k] = s.on ? 0.0f : dh;
#pragma unroll
    for (int a = 0; a < 4; a++) {
        dz[s.gate + a * size] = d[a];
        du[s.room + a * size] = d[a];
    }
}

// r, z = σ(z + u) and n = tanh(zₙ + r uₙ), in place of z;  h ← n + z (h − n)
extern "C" __global__ void gru(float* z, const float* u, const float* b,
                               const float* bh, const bool* mask, const float* h_old,
                               float* h_new, float* before, float* un, float* y, int t,
                               int length, int size, long long n) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= n) return;
    Unit s = unit(k, 3, mask, t, length, size);
    float h = h_old[k], of_x[3], of_h[3];
    before[s.at] = h;
    if (s.on) {
#pragma unroll
        for (int a = 0; a < 3; a++) {
            of_x[a] = z[s.gate + a * size] + (b ? b[s.j + a * size] : 0.0f);
            of_h[a] = u[s.room + a * size] + (bh ? bh[s.j + a * size] : 0.0f);
        }
        float reset = sigmoid(of_x[0] + of_h[0]), keep = sigmoid(of_x[1] + of_h[1]);
        float fresh = tanhf(of_x[2] + reset * of_h[2]);
        z[s.gate] = reset;
        z[s.gate + size] = keep;
        z[s.gate + 2 * size] = fresh;
        un[s.at] = of_h[2];
        h = fresh + keep * (h - fresh);
    }
    h_new[k] = h;
    y[s.at] = s.on ? h : 0.0f;
}

// dz and du, whose last thirds differ, from dh = r + kept + dy; kept ← dh z. Both du
// are the same: of all times, and of this one without gaps, for the product.
extern "C" __global__ void gru_back(const float* gates, const float* before,
                                    const float* un, const bool* mask, const float* dy,
                                    const float* r, float* kept, float* dz, float* dus,
                                    float* du, int t, int length, int size,
                                    long long n) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= n) return;
    Unit s = unit(k, 3, mask, t, length, size);
    float dh = r[k] + kept[k], d[3] = {0.0f, 0.0f, 0.0f}, last = 0.0f;
    if (s.on) {
        const float* p = gates + s.gate;
        float reset = p[0], keep = p[size], fresh = p[2 * size];
        if (dy) dh += dy[s.at];
        d[2] = dh * (1.0f - keep) * (1.0f - fresh * fresh);
        d[0] = d[2] * un[s.at] * reset * (1.0f - reset);
        d[1] = dh * (before[s.at] - fresh) * keep * (1.0f - keep);
        last = d[2] * reset;
        dh *= keep;
    }
    kept[k] = dh;
#pragma unroll
    for (int a = 0; a < 3; a++) {
        float through = a < 2 ? d[a] : last;
        dz[s.gate + a * size] = d[a];
        dus[s.gate + a * size] = through;
        du[s.room + a * size] = through;
    }
}

// h ← tanh(z + u + b), or max(z + u + b, 0) if `straight`
extern "C" __global__ void rnn(const float* z, const float* u, const float* b,
                               const bool* mask, int straight, const float* h_old,
                               float* h_new, float* before, float* y, int t, int length,
                               int size, long long n) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= n) return;
    Unit s = unit(k, 1, mask, t, length, size);
    float h = h_old[k];
    before[s.at] = h;
    if (s.on) {
        float v = z[s.gate] + u[k] + (b ? b[s.j] : 0.0f);
        h = straight ? (v <= 0.0f ? 0.0f : v) : tanhf(v);
    }
    h_new[k] = h;
    y[s.at] = s.on ? h : 0.0f;
}

// dz and du, which are equal, from dh = r + kept + dy
extern "C" __global__ void rnn_back(const float* y, const bool* mask, int straight,
                                    const float* dy, const float* r, float* kept,
                                    float* dz, float* du, int t, int length, int size,
                                    long long n) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= n) return;
    Unit s = unit(k, 1, mask, t, length, size);
    float dh = r[k] + kept[k], d = 0.0f;
    if (s.on) {
        float h = y[s.at];
        if (dy) dh += dy[s.at];
        d = straight ? (h > 0.0f ? dh : 0.0f) : dh * (1.0f - h * h);
    }
    kept[k] = s.on ? 0.0f : dh;
    dz[s.gate] = d;
    du[k] = d;
}
