// The numbers of a captured step, written into memory before every replay.
//
// They travel with the launch, as an argument, so that nothing is copied to the device.

const int MOST = 64;

struct Numbers {
    double value[MOST];
    void* at[MOST];
    int width[MOST];  // of the number there, in bytes
};

// *at ← value, for each of n; one block
extern "C" __global__ void put(const __grid_constant__ Numbers t, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    if (t.width[i] == 8) {
        *(double*)t.at[i] = t.value[i];
    } else {
        *(float*)t.at[i] = (float)t.value[i];
    }
}
