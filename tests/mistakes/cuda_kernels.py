"""CUDA kernels run on the CPU."""

from tests.mistakes.mistake import Mistake

CUDA_X = "np.zeros((1, 2, 3, 3), np.float32)"
CUDA_WINDOW = "stride_h=1, stride_w=1, pad_h=0, pad_w=0, dilation_h=1, dilation_w=1"

ROWS = [
    Mistake("a CUDA kernel misspelt", "on_cpu.run('im2cols')", ValueError, ("'im2cols'", "did you mean 'im2col'")),
    Mistake("float64 for a CUDA kernel", f"""
        on_cpu.run('im2col', np.zeros((1, 2, 3, 3)), np.zeros((1, 2, 2, 2, 2, 2), np.float32), {CUDA_WINDOW})
        """, TypeError, ("im2col: x (const float*)", "float32; got float64", "astype")),
    Mistake("a transposed array for a CUDA kernel", f"""
        on_cpu.run('im2col', {CUDA_X}.swapaxes(1, 2), np.zeros((1, 2, 2, 2, 2, 2), np.float32), {CUDA_WINDOW})
        """, ValueError, ("C-contiguous", "strides", "ascontiguousarray")),
    Mistake("columns of another image", f"""
        on_cpu.run('im2col', {CUDA_X}, np.zeros((1, 3, 2, 2, 2, 2), np.float32), {CUDA_WINDOW})
        """, ValueError, ("columns", "(1, 2, 2, 2, 2, 2)", "c=2", "(1, 3, 2, 2, 2, 2)")),
    Mistake("a CUDA kernel without its scalars", f"on_cpu.run('im2col', {CUDA_X}, np.zeros((1, 2, 2, 2, 2, 2), np.float32))",
            TypeError, ("stride_h, stride_w", "must be given")),
    Mistake("in place where the kernel forbids it", f"""
        x = {CUDA_X}
        on_cpu.run('channels.sum_parts', x.reshape(2, 9), x.reshape(-1)[:9])
        """, ValueError, ("found and sums are the same memory", "__restrict__")),
]  # fmt: skip
