// Windows over images, as columns and back: minidl/ops/windows.py.
//
// x images (N, C, H, W)    u v a place in the window    i j which window
// columns (N / M, C, KH, KW, M, OH, OW): M images side by side, 1 for unfold and fold,
// all of them for the one product of a convolution

struct Windows {
    int h, w, kh, kw, oh, ow, sh, sw, top, left, dh, dw;
};

// columns[…, c, u, v, …, i, j] = x[n, c, i s + u d − p, j s + v d − p]: a thread each
extern "C" __global__ void unfold(const float* x, float* columns, Windows s,
                                  int channels, int together, long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x, rest = at;
    if (at >= size) return;
    int j = rest % s.ow;
    rest /= s.ow;
    int i = rest % s.oh;
    rest /= s.oh;
    int m = rest % together;
    rest /= together;
    int v = rest % s.kw;
    rest /= s.kw;
    int u = rest % s.kh;
    rest /= s.kh;
    int c = rest % channels, n = rest / channels * together + m;
    int row = i * s.sh + u * s.dh - s.top, column = j * s.sw + v * s.dw - s.left;
    bool inside = 0 <= row && row < s.h && 0 <= column && column < s.w;
    long long line = ((long long)n * channels + c) * s.h + row;
    columns[at] = inside ? x[line * s.w + column] : 0.0f;
}

// y[n, c, row, column] = the sum of all that came from there. A thread for each pixel
// gathers it, always in the same order; nobody else writes there.
extern "C" __global__ void fold(const float* columns, float* y, Windows s, int channels,
                                int together, long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x, rest = at;
    if (at >= size) return;
    int column = rest % s.w;
    rest /= s.w;
    int row = rest % s.h;
    rest /= s.h;
    int c = rest % channels, n = rest / channels;
    long long first = (long long)(n / together) * channels + c;
    float sum = 0.0f;
    for (int u = 0; u < s.kh; u++) {
        int a = row + s.top - u * s.dh, i = a / s.sh;
        if (a < 0 || a % s.sh || i >= s.oh) continue;
        for (int v = 0; v < s.kw; v++) {
            int b = column + s.left - v * s.dw, j = b / s.sw;
            if (b < 0 || b % s.sw || j >= s.ow) continue;
            long long line = ((first * s.kh + u) * s.kw + v) * together + n % together;
            sum += columns[(line * s.oh + i) * s.ow + j];
        }
    }
    y[at] = sum;
}

// y[n, f] = z[f, n] + b[f]: the product of a convolution, image by image. Rows of
// `length` numbers keep together; b may be null.
extern "C" __global__ void images(const float* z, const float* b, float* y, int n, int f,
                                  int length, long long size) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= size) return;
    int row = at / length, filter = row % f, image = row / f;
    long long from = ((long long)filter * n + image) * length + at % length;
    y[at] = b ? z[from] + b[filter] : z[from];
}
