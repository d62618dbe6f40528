"""Timings as ratios: minidl against NumPy by hand and PyTorch eager, side by side."""
