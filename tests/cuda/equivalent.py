"""Mutants that compute the same as the original, and why: (file, line, line with the change) -> reason."""

from __future__ import annotations

_WARP = "for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "tile_product.cuh",
        "float sums[2][4][4] = {};",
        "float sums[3][4][4] = {};",
    ): "registers that nobody uses",
    (
        "tile_product.cuh",
        "__device__ float finite(float x) { return x - x == 0 ? x : 0; }",
        "__device__ float finite(float x) { return x - x == 0 ? x : 1; }",
    ): "what is finite is added to infinity or NaN, and changes neither",
    (
        "reduce.cuh",
        _WARP,
        _WARP.replace("16", "17"),
    ): "17, 8, 4, 2 and 1 also combine to all 32 lanes",
    (
        "activations.cu",
        "static __device__ real forward(real x, real) { return x * sigmoid::forward(x, 0); }",
        "static __device__ real forward(real x, real) { return x * sigmoid::forward(x, 1); }",
    ): "the second argument is not used",
    (
        "activations.cu",
        "const real s = sigmoid::forward(x, 0);",
        "const real s = sigmoid::forward(x, 1);",
    ): "the second argument is not used",
    (
        "activations.cu",
        "static __device__ real forward(real x, real alpha) { return x > 0 ? x : alpha * expm1(x); }",
        "static __device__ real forward(real x, real alpha) { return x >= 0 ? x : alpha * expm1(x); }",
    ): "expm1 of 0 is 0",
    (
        "activations.cu",
        "static __device__ real forward(real x, real) { return x > 0 || isnan(x) ? x : real(0); }",
        "static __device__ real forward(real x, real) { return x >= 0 || isnan(x) ? x : real(0); }",
    ): "0 either way, but for its sign",
    (
        "activations.cu",
        "static __device__ real forward(real x, real) { return x < 0 ? real(0) : x > 6 ? real(6) : x; }",
        "static __device__ real forward(real x, real) { return x <= 0 ? real(0) : x > 6 ? real(6) : x; }",
    ): "0 either way, but for its sign",
    (
        "batch_norm.cu",
        "var[blockIdx.y * c + column.channel] = mine.m2 / fmax(mine.count, real(1));",
        "var[blockIdx.y * c + column.channel] = mine.m2 / fmax(mine.count, real(2));",
    ): "m2 of one number is 0",
    (
        "batch_norm.cu",
        "var[channel] = all.m2 / fmax(all.count, real(1));",
        "var[channel] = all.m2 / fmax(all.count, real(2));",
    ): "m2 of one number is 0",
    (
        "batch_norm.cu",
        "if (value < low) value = low;",
        "if (value <= low) value = low;",
    ): "0 either way, but for its sign",
    (
        "columns.cuh",
        "return threadIdx.y == 0 ? values[me] : real(0);",
        "return threadIdx.y == 0 ? values[me] : real(1);",
    ): "the sum is looked at where y is 0",
    (
        "convolution.cu",
        "tile_product<true, false>((depth + DEPTH - 1) / DEPTH, load, [&](int i, int j, float value) {",
        "tile_product<true, false>((depth + DEPTH + 1) / DEPTH, load, [&](int i, int j, float value) {",
    ): "a step beyond the depth takes nothing: zeros are added",
    (
        "lists.cuh",
        "return low;",
        "return high;",
    ): "the two have met",
    (
        "lists.cuh",
        "const int middle = (low + high) / 2;",
        "const int middle = (low + low) / 2;",
    ): "one after another instead of by halves: slower, and the same",
    (
        "optimizers.cu",
        "if (!(v >= largest) && !isnan(v)) v = largest;     // the larger one; NaN stays",
        "if (!(v > largest) && !isnan(v)) v = largest;     // the larger one; NaN stays",
    ): "they are equal then",
    (
        "pooling.cu",
        "int tap = -1;",
        "int tap = -2;",
    ): "any number below 0 says that there is none",
    (
        "prelu.cu",
        "sum += grad_y[e] * (x[e] > 0 ? real(0) : x[e]);",
        "sum += grad_y[e] * (x[e] >= 0 ? real(0) : x[e]);",
    ): "0 either way",
    (
        "reduce.cuh",
        _WARP.replace("value += ", "value = fmax(value, ").replace("distance);", "distance));"),
        _WARP.replace("value += ", "value = fmax(value, ").replace("distance);", "distance));").replace("16", "17"),
    ): "17, 8, 4, 2 and 1 also combine to all 32 lanes",
}
