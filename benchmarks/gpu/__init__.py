"""``python -m benchmarks gpu``: is everything right on this GPU, and how fast is it beside PyTorch with cuDNN?

In this order, each part in RESULTS-gpu.md when it is done (``--write``):

1. ``tests``: the op table and the kernels, on the GPU instead of the stand-in that the test suite uses elsewhere;
2. ``sanitizer``: the kernels once more under NVIDIA's compute-sanitizer, which finds accesses outside of arrays;
3. ``training``: the whole step of each network, in TF32 and in strict float32, beside PyTorch in the same process;
4. ``inference``: the same without gradients;
5. ``layers``: every kernel of a training step beside the peaks of this GPU, which are measured first;
6. ``cifar``: ResNet-20 on CIFAR-10, the whole training of the paper (only if it is named: it takes long).
"""
