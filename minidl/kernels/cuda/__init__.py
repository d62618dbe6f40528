"""CUDA C++ kernels, and the files that launch them through CuPy."""
