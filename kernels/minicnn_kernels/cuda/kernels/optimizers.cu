// One step of an optimiser over all parameters at once: they lie one after another in one buffer, and so do their gradients and
// states. One launch for a network, instead of several for each of its layers.
//
// What changes from step to step (the learning rate, Adam's corrections) is read from memory of the device: a captured graph
// keeps its arguments, but not what they point to. Formulas and sources: reference/optimizers.py.
#include "common.cuh"

__device__ real gradient(real g, real p, real weight_decay, int maximize) {
    return (maximize ? -g : g) + weight_decay * p;
}

extern "C" __global__ void sgd_step(
    real* __restrict__ params,                // (size)
    const real* __restrict__ grads,           // (size)
    real* __restrict__ momentum_buffers,      // (size) or null
    const real* __restrict__ lr,              // (1)
    long long size, real momentum, real dampening, real weight_decay, int nesterov, int maximize, int first) {
    for (long long e = FIRST; e < size; e += STRIDE) {
        real g = gradient(grads[e], params[e], weight_decay, maximize);
        if (momentum_buffers) {
            const real v = first ? g : momentum * momentum_buffers[e] + (1 - dampening) * g;
            momentum_buffers[e] = v;
            g = nesterov ? g + momentum * v : v;
        }
        params[e] -= lr[0] * g;
    }
}

// Adam, AdamW (decoupled) and AMSGrad (max_exp_avg_sqs). schedule: lr, 1 - beta1^step, 1 - beta2^step.
extern "C" __global__ void adam_step(
    real* __restrict__ params,                // (size)
    const real* __restrict__ grads,           // (size)
    real* __restrict__ exp_avgs,              // (size)
    real* __restrict__ exp_avg_sqs,           // (size)
    real* __restrict__ max_exp_avg_sqs,       // (size) or null
    const real* __restrict__ schedule,        // (3)
    long long size, real beta1, real beta2, real eps, real weight_decay, int decoupled, int maximize) {
    const real lr = schedule[0], correction1 = schedule[1], correction2 = schedule[2];
    for (long long e = FIRST; e < size; e += STRIDE) {
        real p = params[e];
        const real g = gradient(grads[e], p, decoupled ? 0 : weight_decay, maximize);
        const real m = exp_avgs[e] + (1 - beta1) * (g - exp_avgs[e]);
        real v = beta2 * exp_avg_sqs[e] + (1 - beta2) * g * g;
        exp_avgs[e] = m;
        exp_avg_sqs[e] = v;
        if (max_exp_avg_sqs) {
            v = fmax(v, max_exp_avg_sqs[e]);
            max_exp_avg_sqs[e] = v;
        }
        if (decoupled) p *= 1 - lr * weight_decay;
        params[e] = p - lr / correction1 * m / (sqrt(v / correction2) + eps);
    }
}

extern "C" __global__ void rmsprop_step(
    real* __restrict__ params,                // (size)
    const real* __restrict__ grads,           // (size)
    real* __restrict__ square_avgs,           // (size)
    real* __restrict__ grad_avgs,             // (size) or null
    real* __restrict__ momentum_buffers,      // (size) or null
    const real* __restrict__ lr,              // (1)
    long long size, real alpha, real eps, real weight_decay, real momentum, int maximize) {
    for (long long e = FIRST; e < size; e += STRIDE) {
        const real g = gradient(grads[e], params[e], weight_decay, maximize);
        real v = alpha * square_avgs[e] + (1 - alpha) * g * g;
        square_avgs[e] = v;
        if (grad_avgs) {                      // centred
            const real mean = grad_avgs[e] + (1 - alpha) * (g - grad_avgs[e]);
            grad_avgs[e] = mean;
            v -= mean * mean;
        }
        real change = g / (sqrt(v) + eps);
        if (momentum_buffers) {
            change += momentum * momentum_buffers[e];
            momentum_buffers[e] = change;
        }
        params[e] -= lr[0] * change;
    }
}
