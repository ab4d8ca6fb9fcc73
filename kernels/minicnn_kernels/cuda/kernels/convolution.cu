// Convolution as a matrix product whose columns are never written down: an implicit GEMM.
//
// im2col (im2col.cu) makes a matrix that is kernel_h*kernel_w times as large as the image, writes it to memory and reads it
// again. Here the matrix product asks for an entry when it needs it, and the address is computed then. All arrays are
// channels-last, so that neighbouring entries along the channels are neighbours in memory, and are copied 4 at a time.
//
//                 rows of A                  depth                       columns of B
//     forward     output pixels              tap, input channel          output channels
//     grad_input  input pixels               tap, output channel         input channels
//     grad_weight output channels            output pixels               tap, input channel
//
// `tile_product` (tile_product.cuh) multiplies; what follows only says where the entries are. Forward: entry (pixel, (a, b,
// channel)) is the input at row i*stride + a*dilation - pad. grad_input: (pixel, (a, b, k)) is grad_y at row i if i*stride =
// row + pad - a*dilation, the gather of col2im. What lies outside is 0, by a copy that takes nothing.
//
// Channels may come in groups that do not mix; c and k are those of one group. Each group is a product of its own, blocks along
// z; what changes is how far it is from one pixel to the next.
//
// The sum over all output pixels in grad_weight is long and its result small: too few tiles for a GPU. So it is cut into
// `splits` parts, more blocks along z, which `sum_parts` (channels.cu) adds up, always in the same order.
//
// Source: Chetlur et al., cuDNN: Efficient primitives for deep learning, 2014, section 3.
#include "common.cuh"
#include "tile_product.cuh"

extern "C" __global__ void __launch_bounds__(128, 3) conv2d_forward(
    const float* __restrict__ x,         // (n, h, w, groups*c) aligned VECTOR*4
    const float* __restrict__ weight,    // (groups, k, kernel_h, kernel_w, c) aligned VECTOR*4
    const float* __restrict__ scale,     // (groups*k) or null
    const float* __restrict__ bias,      // (groups*k) or null
    const float* __restrict__ residual,  // (n, out_h, out_w, groups*k) or null
    float* __restrict__ y,               // (n, out_h, out_w, groups*k)
    int n, int h, int w, int groups, int c, int k, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w, float low, float high) {
    const long long first_row = (long long)blockIdx.x * TILE, rows = (long long)n * out_h * out_w;
    const int first_column = blockIdx.y * TILE, depth = kernel_h * kernel_w * c;
    const int channels = groups * c, filters = groups * k;
    x += blockIdx.z * c;
    weight += (long long)blockIdx.z * k * depth;
    const float* image[COPIES];          // of each row of A that this thread copies from, and its window's corner
    int top[COPIES], left[COPIES];
#pragma unroll
    for (int i = 0; i < COPIES; ++i) {
        const long long row = first_row + row_by_depth(i);
        const Digits pixel(row, out_h, out_w);
        image[i] = x + pixel.outer * h * w * channels;
        top[i] = row < rows ? pixel.middle * stride_h - pad_h : -(1 << 30);
        left[i] = pixel.inner * stride_w - pad_w;
    }
    int at = depth_by_depth();           // in the depth
    Digits tap(at, kernel_w, c);
    const auto load = [&](float* a, float* b) {
#pragma unroll
        for (int i = 0; i < COPIES; ++i) {
            const int slot = row_by_depth(i) * BY_DEPTH + depth_by_depth();
            const int row = top[i] + (int)tap.outer * dilation_h, column = left[i] + tap.middle * dilation_w;
            const bool inside = at < depth && row >= 0 && row < h && column >= 0 && column < w;
            copy(a + slot, inside ? image[i] + ((long long)row * w + column) * channels + tap.inner : x, inside);
            const int filter = first_column + row_by_depth(i);
            const bool there = at < depth && filter < k;
            copy(b + slot, there ? weight + (long long)filter * depth + at : weight, there);
        }
        at += DEPTH;
        tap.advance(DEPTH, kernel_w, c);
    };
    tile_product<true, true>((depth + DEPTH - 1) / DEPTH, load, [&](int i, int j, float value) {
        const long long row = first_row + i;
        const int column = first_column + j;
        if (row >= rows || column >= k) return;
        const long long at = row * filters + blockIdx.z * k + column;
        if (scale) value *= scale[blockIdx.z * k + column];
        if (bias) value += bias[blockIdx.z * k + column];
        if (residual) value += residual[at];
        if (value < low) value = low;
        if (value > high) value = high;
        y[at] = value;
    });
}

extern "C" __global__ void __launch_bounds__(128, 3) conv2d_grad_input(
    const float* __restrict__ grad_y,    // (n, out_h, out_w, groups*k) aligned VECTOR*4
    const float* __restrict__ weight,    // (groups, k, kernel_h, kernel_w, c) aligned VECTOR*4
    float* __restrict__ grad_x,          // (n, h, w, groups*c)
    int n, int h, int w, int groups, int c, int k, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dilation_h, int dilation_w, int out_h, int out_w) {
    const long long first_row = (long long)blockIdx.x * TILE, rows = (long long)n * h * w;
    const int first_column = blockIdx.y * TILE, taps = kernel_h * kernel_w, depth = taps * k;
    const int channels = groups * c, filters = groups * k;
    grad_y += blockIdx.z * k;
    weight += (long long)blockIdx.z * k * taps * c;
    const float* image[COPIES];
    int below[COPIES], right[COPIES];    // row + pad and column + pad of each pixel that this thread copies for
#pragma unroll
    for (int i = 0; i < COPIES; ++i) {
        const long long row = first_row + row_by_depth(i);
        const Digits pixel(row, h, w);
        image[i] = grad_y + pixel.outer * out_h * out_w * filters;
        below[i] = row < rows ? pixel.middle + pad_h : -1;
        right[i] = pixel.inner + pad_w;
    }
    int step = 0;
    Digits tap(depth_by_depth(), kernel_w, k);
    const auto load = [&](float* a, float* b) {
        const bool deep_enough = step * DEPTH + depth_by_depth() < depth;
#pragma unroll
        for (int i = 0; i < COPIES; ++i) {
            const int up = below[i] - (int)tap.outer * dilation_h, to_left = right[i] - tap.middle * dilation_w;
            const int row = up / stride_h, column = to_left / stride_w;
            const bool seen = deep_enough && up >= 0 && up % stride_h == 0 && row < out_h && to_left >= 0 &&
                              to_left % stride_w == 0 && column < out_w;
            copy(a + row_by_depth(i) * BY_DEPTH + depth_by_depth(),
                 seen ? image[i] + ((long long)row * out_w + column) * filters + tap.inner : grad_y, seen);
            const int at = step * DEPTH + depth_by_row(i), channel = first_column + row_by_row();
            const bool there = at < depth && channel < c;
            copy(b + depth_by_row(i) * BY_ROW + row_by_row(),
                 there ? weight + ((long long)(at % k) * taps + at / k) * c + channel : weight, there);
        }
        ++step;
        tap.advance(DEPTH, kernel_w, k);
    };
    tile_product<true, false>((depth + DEPTH - 1) / DEPTH, load, [&](int i, int j, float value) {
        const long long row = first_row + i;
        const int column = first_column + j;
        if (row < rows && column < c) grad_x[row * channels + blockIdx.z * c + column] = value;
    });
}

extern "C" __global__ void __launch_bounds__(128, 3) conv2d_grad_weight(
    const float* __restrict__ grad_y,    // (n, out_h, out_w, groups*k) aligned VECTOR*4
    const float* __restrict__ x,         // (n, h, w, groups*c) aligned VECTOR*4
    float* __restrict__ parts,           // (splits, groups, k, kernel_h, kernel_w, c)
    int splits, int n, int h, int w, int groups, int c, int k, int kernel_h, int kernel_w, int stride_h, int stride_w,
    int pad_h, int pad_w, int dilation_h, int dilation_w, int out_h, int out_w) {
    const int first_row = blockIdx.x * TILE, first_column = blockIdx.y * TILE, columns = kernel_h * kernel_w * c;
    const long long pixels = (long long)n * out_h * out_w;
    const long long steps = (pixels + DEPTH - 1) / DEPTH, steps_of_part = (steps + splits - 1) / splits;
    const int group = blockIdx.z % groups, part = blockIdx.z / groups;
    const long long first_step = min(part * steps_of_part, steps);
    const int my_steps = min(steps_of_part, steps - first_step);
    const int channels = groups * c, filters = groups * k;
    grad_y += group * k;
    x += group * c;

    const int my_row = first_row + row_by_row(), my_column = first_column + row_by_row();
    const Digits tap(my_column, kernel_w, c);
    const int down = (int)tap.outer * dilation_h - pad_h, across = tap.middle * dilation_w - pad_w;
    long long at = first_step * DEPTH;
    const auto load = [&](float* a, float* b) {
#pragma unroll
        for (int i = 0; i < COPIES; ++i) {
            const long long number = at + depth_by_row(i);
            const Digits pixel(number, out_h, out_w);
            const int slot = depth_by_row(i) * BY_ROW + row_by_row();
            const bool there = number < pixels && my_row < k;
            copy(a + slot, there ? grad_y + number * filters + my_row : grad_y, there);
            const int row = pixel.middle * stride_h + down, column = pixel.inner * stride_w + across;
            const bool inside =
                number < pixels && my_column < columns && row >= 0 && row < h && column >= 0 && column < w;
            copy(b + slot, inside ? x + ((pixel.outer * h + row) * w + column) * channels + tap.inner : x, inside);
        }
        at += DEPTH;
    };
    float* sums = parts + ((long long)part * groups + group) * k * columns;
    tile_product<false, false>(my_steps, load, [&](int i, int j, float value) {
        const int row = first_row + i, column = first_column + j;
        if (row < k && column < columns) sums[(long long)row * columns + column] = value;
    });
}
