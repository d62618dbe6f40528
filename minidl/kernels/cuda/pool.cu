// Pooling of images x (N, C, H, W) into y (N, C, OH, OW): minidl/ops/pool.py.
//
// u v a place in the window    i j which window    nc  image and channel, N C of them
// Going back, a thread for each pixel gathers what the windows that saw it hand to it,
// always in the same order; nobody else writes there.

struct Windows {
    int h, w, kh, kw, oh, ow, sh, sw, top, left, dh, dw;
};

// Row and column of the image that window (i, j) sees at its place (u, v).
struct Pixel {
    int row, column;
    bool inside;
    __device__ Pixel(const Windows& s, int i, int j, int u, int v)
        : row(i * s.sh + u * s.dh - s.top), column(j * s.sw + v * s.dw - s.left),
          inside(0 <= row && row < s.h && 0 <= column && column < s.w) {}
};

// The window that sees row a (counted with the frame) at its place u, or −1: n windows
// with stride s and dilation d.
__device__ int seen_by(int a, int u, int d, int s, int n) {
    int far = a - u * d;
    return far < 0 || far % s || far / s >= n ? -1 : far / s;
}

// y = the largest pixel of each window, of equal ones the first; nan is the largest.
// winner = its place in the window. The frame is −∞.
extern "C" __global__ void max_pool(const float* x, float* y, unsigned char* winner,
                                    Windows s, long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= size) return;
    int j = at % s.ow, i = at / s.ow % s.oh, nc = at / s.ow / s.oh, place = 0;
    const float* image = x + (long long)nc * s.h * s.w;
    float best = __int_as_float(0xff800000);  // −∞
    for (int u = 0; u < s.kh; u++)
        for (int v = 0; v < s.kw; v++) {
            Pixel p(s, i, j, u, v);
            if (!p.inside) continue;
            float a = image[p.row * s.w + p.column];
            if (a > best || (a != a && best == best)) best = a, place = u * s.kw + v;
        }
    y[at] = best;
    winner[at] = place;
}

// dx = the sum of g over the windows in which this pixel won
extern "C" __global__ void max_pool_back(const float* g, const unsigned char* winner,
                                         float* dx, Windows s, long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= size) return;
    int column = at % s.w, row = at / s.w % s.h, nc = at / s.w / s.h;
    float sum = 0.0f;
    for (int u = 0; u < s.kh; u++) {
        int i = seen_by(row + s.top, u, s.dh, s.sh, s.oh);
        if (i < 0) continue;
        for (int v = 0; v < s.kw; v++) {
            int j = seen_by(column + s.left, v, s.dw, s.sw, s.ow);
            if (j < 0) continue;
            int window = (nc * s.oh + i) * s.ow + j;
            if (winner[window] == u * s.kw + v) sum += g[window];
        }
    }
    dx[at] = sum;
}

// 1 / how many pixels the mean of window (i, j) is over: all, or those of the image
__device__ float share(const Windows& s, int i, int j, int with_frame) {
    if (with_frame) return 1.0f / (s.kh * s.kw);
    int top = i * s.sh - s.top, left = j * s.sw - s.left;
    int high = min(top + s.kh, s.h) - max(top, 0);
    int wide = min(left + s.kw, s.w) - max(left, 0);
    return 1.0f / (high * wide);
}

// y = the mean of each window
extern "C" __global__ void avg_pool(const float* x, float* y, Windows s, int with_frame,
                                    long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= size) return;
    int j = at % s.ow, i = at / s.ow % s.oh, nc = at / s.ow / s.oh;
    const float* image = x + (long long)nc * s.h * s.w;
    float sum = 0.0f;
    for (int u = 0; u < s.kh; u++)
        for (int v = 0; v < s.kw; v++) {
            Pixel p(s, i, j, u, v);
            if (p.inside) sum += image[p.row * s.w + p.column];
        }
    y[at] = sum * share(s, i, j, with_frame);
}

// dx = the sum of g's shares over the windows that saw this pixel
extern "C" __global__ void avg_pool_back(const float* g, float* dx, Windows s,
                                         int with_frame, long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= size) return;
    int column = at % s.w, row = at / s.w % s.h, nc = at / s.w / s.h;
    float sum = 0.0f;
    for (int u = 0; u < s.kh; u++) {
        int i = seen_by(row + s.top, u, 1, s.sh, s.oh);
        if (i < 0) continue;
        for (int v = 0; v < s.kw; v++) {
            int j = seen_by(column + s.left, v, 1, s.sw, s.ow);
            if (j < 0) continue;
            sum += g[(nc * s.oh + i) * s.ow + j] * share(s, i, j, with_frame);
        }
    }
    dx[at] = sum;
}
