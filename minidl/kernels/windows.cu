// Windows over images, as columns and back: minidl/ops/windows.py.
//
// x images (N, C, H, W)    columns (N, C KH KW, OH OW)    u v a place in the window
// i j which window         nc  image and channel, N C of them

struct Windows {
    int h, w, kh, kw, oh, ow, sh, sw, top, left, dh, dw;
};

// columns[nc, u, v, i, j] = x[nc, i s + u d − p, j s + v d − p]: a thread for each.
extern "C" __global__ void unfold(const float* x, float* columns, Windows s,
                                  long long size) {
    long long at = blockIdx.x * (long long)blockDim.x + threadIdx.x, nc = at;
    if (at >= size) return;
    int j = nc % s.ow;
    nc /= s.ow;
    int i = nc % s.oh;
    nc /= s.oh;
    int v = nc % s.kw;
    nc /= s.kw;
    int u = nc % s.kh;
    nc /= s.kh;
    int row = i * s.sh + u * s.dh - s.top, column = j * s.sw + v * s.dw - s.left;
    bool inside = 0 <= row && row < s.h && 0 <= column && column < s.w;
    columns[at] = inside ? x[(nc * s.h + row) * s.w + column] : 0.0f;
}

// y[nc, row, column] = the sum of all that came from there. A thread for each pixel
// gathers it, always in the same order; nobody else writes there.
extern "C" __global__ void fold(const float* columns, float* y, Windows s,
                                long long size) {
    long long at = blockIdx.x * (long long)blockDim.x + threadIdx.x, nc = at;
    if (at >= size) return;
    int column = nc % s.w;
    nc /= s.w;
    int row = nc % s.h;
    nc /= s.h;
    float sum = 0.0f;
    for (int u = 0; u < s.kh; u++) {
        int a = row + s.top - u * s.dh, i = a / s.sh;
        if (a < 0 || a % s.sh || i >= s.oh) continue;
        for (int v = 0; v < s.kw; v++) {
            int b = column + s.left - v * s.dw, j = b / s.sw;
            if (b < 0 || b % s.sw || j >= s.ow) continue;
            sum += columns[(((nc * s.kh + u) * s.kw + v) * s.oh + i) * s.ow + j];
        }
    }
    y[at] = sum;
}
