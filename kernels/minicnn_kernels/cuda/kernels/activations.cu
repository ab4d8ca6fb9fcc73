// Activation functions and their derivatives, element by element.
//
// -DACTIVATION=relu and so on chooses one of the structures below. `grad` computes the gradient with respect to x from
// the gradient g with respect to y and from what the forward pass has kept: x, or y where that is enough. At a kink the
// derivative is PyTorch's; 0 is chosen, not multiplied by, for 0 * inf would be NaN. NaN stays NaN.
//
// One thread takes an element, so the memory is the limit: 4 bytes are read and 4 written for one operation. That is why
// activations are better done by the kernel that makes their input (batch_norm.cu, convolution.cu).
#include "common.cuh"

struct relu {
    static __device__ real forward(real x, real) { return x > 0 || isnan(x) ? x : real(0); }
    static __device__ real grad(real g, real y, real) { return y <= 0 ? real(0) : g; }
};
struct leaky_relu {
    static __device__ real forward(real x, real slope) { return x > 0 ? x : slope * x; }
    static __device__ real grad(real g, real x, real slope) { return x > 0 ? g : slope * g; }
};
struct relu6 {
    static __device__ real forward(real x, real) { return x < 0 ? real(0) : x > 6 ? real(6) : x; }
    static __device__ real grad(real g, real x, real) { return x <= 0 || x >= 6 ? real(0) : g; }
};
struct elu {
    static __device__ real forward(real x, real alpha) { return x > 0 ? x : alpha * expm1(x); }
    static __device__ real grad(real g, real x, real alpha) { return x > 0 ? g : g * alpha * exp(x); }
};
struct sigmoid {  // without overflow: e is raised to negative numbers only
    static __device__ real forward(real x, real) {
        const real e = exp(-fabs(x));
        return (x < 0 ? e : 1) / (1 + e);
    }
    static __device__ real grad(real g, real y, real) { return g * y * (1 - y); }
};
struct tangent {
    static __device__ real forward(real x, real) { return tanh(x); }
    static __device__ real grad(real g, real y, real) { return g * (1 - y * y); }
};
struct silu {
    static __device__ real forward(real x, real) { return x * sigmoid::forward(x, 0); }
    static __device__ real grad(real g, real x, real) {
        const real s = sigmoid::forward(x, 0);
        return g * s * (1 + x * (1 - s));
    }
};
struct hardsigmoid {
    static __device__ real forward(real x, real) { return relu6::forward(x + 3, 0) / 6; }
    static __device__ real grad(real g, real x, real) { return x > -3 && x < 3 ? g / 6 : real(0); }
};
struct hardswish {
    static __device__ real forward(real x, real) { return x * hardsigmoid::forward(x, 0); }
    static __device__ real grad(real g, real x, real) { return x <= -3 ? real(0) : x >= 3 ? g : g * (x / 3 + real(0.5)); }
};

#ifndef ACTIVATION
#define ACTIVATION relu
#endif

extern "C" __global__ void activation_forward(
    const real* x,        // (size)
    real* y,              // (size)
    long long size, real parameter) {
    for (long long e = FIRST; e < size; e += STRIDE) y[e] = ACTIVATION::forward(x[e], parameter);
}

extern "C" __global__ void activation_grad(
    const real* grad_y,   // (size)
    const real* kept,     // (size)
    real* grad_x,         // (size)
    long long size, real parameter) {
    for (long long e = FIRST; e < size; e += STRIDE) grad_x[e] = ACTIVATION::grad(grad_y[e], kept[e], parameter);
}
