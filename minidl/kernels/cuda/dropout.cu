// Dropout and noise: the random bits of minidl/ops/dropout.py, drawn where they are
// needed.
//
// NumPy's Philox4x64-10 (Salmon et al. 2011, section 3): ten rounds that turn a counter
// of four 64-bit words into four random ones. Block b encrypts the counter b + 1, and
// each word is cut into four numbers of 16 bits, the lowest first.

typedef unsigned long long u64;

__device__ void philox(u64 counter, u64 k0, u64 k1, u64 word[4]) {
    const u64 M0 = 0xD2E7470EE14C6C93ull, M1 = 0xCA5A826395121157ull;
    const u64 W0 = 0x9E3779B97F4A7C15ull, W1 = 0xBB67AE8584CAA73Bull;
    u64 c0 = counter, c1 = 0, c2 = 0, c3 = 0;
    for (int round = 0; round < 10; round++) {
        u64 high0 = __umul64hi(M0, c0), low0 = M0 * c0;
        u64 high1 = __umul64hi(M1, c2), low1 = M1 * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += W0;
        k1 += W1;
    }
    word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
}

// y = x · scale where the 16 bits are below `kept`, else 0. A thread does one block of
// bits: 16 decisions, each for `share` neighbors that stay or go together.
extern "C" __global__ void dropout(const float* x, float* y, const u64* key, int kept,
                                   float scale, long long size, long long share,
                                   long long blocks) {
    long long b = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (b >= blocks) return;
    u64 word[4];
    philox(b + 1, key[0], key[1], word);
    for (int i = 0; i < 16; i++) {
        int bits = (word[i / 4] >> (16 * (i % 4))) & 0xFFFF;
        long long first = (16 * b + i) * share;
        for (long long j = first; j < first + share && j < size; j++)
            y[j] = bits < kept ? x[j] * scale : 0.0f;
    }
}

// y = x + σ n. A thread does one block of bits: from each word two numbers of N(0, 1),
// r cos θ and r sin θ (Box & Muller 1958), with r from its low half and θ from its high.
extern "C" __global__ void noise(const float* x, float* y, const u64* key, float std,
                                 long long size, long long blocks) {
    const float UNIT = 1.0f / 4294967296.0f;  // 2⁻³²
    long long b = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (b >= blocks) return;
    u64 word[4];
    philox(b + 1, key[0], key[1], word);
    for (int i = 0; i < 4; i++) {
        float u = (float)(unsigned)word[i] * UNIT + 0.5f * UNIT;
        float r = sqrtf(-2.0f * logf(u)) * std, sine, cosine;
        sincospif((float)(unsigned)(word[i] >> 32) * (2.0f * UNIT), &sine, &cosine);
        long long j = 8 * b + 2 * i;
        if (j < size) y[j] = x[j] + r * cosine;
        if (j + 1 < size) y[j + 1] = x[j + 1] + r * sine;
    }
}
