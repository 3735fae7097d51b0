// How a CUDA operator runs: on the tensors' device, on its current stream, one call of a functor for each index.
#pragma once

#include <cuda_runtime.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/macros.h>
#include <torch/headeronly/util/shim_utils.h>

#include <algorithm>

#include "../common/checks.h"

namespace photoflow {

// Makes the tensor's device the current one for as long as this lives.
class OnDevice {
 public:
  explicit OnDevice(const Tensor& tensor) : guard_(tensor.get_device_index()) {
    void* stream = nullptr;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
    stream_ = static_cast<cudaStream_t>(stream);
  }
  cudaStream_t stream() const { return stream_; }

 private:
  torch::stable::accelerator::DeviceGuard guard_;
  cudaStream_t stream_ = nullptr;
};

template <class Body>
__global__ void for_each_index(int64_t count, Body body) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) body(i);
}

// Calls body(i) for 0 <= i < count on the device. Only grid.x is used, whose limit is 2^31 - 1.
template <class Body>
void launch(const OnDevice& device, int64_t count, const Body& body) {
  if (count == 0) return;
  constexpr int64_t kThreads = 256, kBlocks = 1 << 20;
  const int64_t blocks = std::min((count + kThreads - 1) / kThreads, kBlocks);
  for_each_index<<<static_cast<unsigned>(blocks), static_cast<unsigned>(kThreads), 0, device.stream()>>>(count, body);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace photoflow
