"""The CUDA kernels on the CPU: emulated thread by thread, for tests. README.md says what that shows."""
