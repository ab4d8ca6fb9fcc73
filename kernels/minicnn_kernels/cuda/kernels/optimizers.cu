// One step of an optimiser over all parameters at once: they come in lists, and so do their gradients and states
// (lists.cuh). One launch for a network, instead of several for each of its layers. A block takes PIECE elements of one array.
//
// What changes from step to step (the learning rate, Adam's corrections) is an argument; or it is read from memory of the
// device, if there is a schedule: a captured graph keeps its arguments, but not what they point to. Formulas and sources:
// reference/optimizers.py.
#include "common.cuh"
#include "lists.cuh"

#define PIECE 2048

// The array and the elements of it that this block is for.
struct Piece {
    int array;
    int first, end;
    __device__ Piece(const Numbers& ends, const Numbers& sizes, int arrays) {
        array = owner(ends, arrays, blockIdx.x);
        first = (blockIdx.x - (array ? ends.of[array - 1] : 0)) * PIECE;
        end = min(first + PIECE, sizes.of[array]);
    }
};
#define EACH(e, piece) for (int e = piece.first + threadIdx.x; e < piece.end; e += blockDim.x)

__device__ real gradient(real g, real p, real weight_decay, int maximize) {
    return (maximize ? -g : g) + weight_decay * p;
}

extern "C" __global__ void sgd_step(
    Arrays params,
    const Arrays grads,
    Arrays momentum_buffers,                  // () or null
    const Numbers sizes,
    const Numbers ends,
    const real* schedule,                     // (1) or null: lr
    int arrays, int buffered, real lr, real momentum, real dampening, real weight_decay, int nesterov, int maximize, int first) {
    const Piece piece(ends, sizes, arrays);
    const real rate = schedule ? schedule[0] : lr;
    EACH(e, piece) {
        real& p = params.of[piece.array][e];
        real g = gradient(grads.of[piece.array][e], p, weight_decay, maximize);
        if (buffered) {
            real& buffer = momentum_buffers.of[piece.array][e];
            const real v = first ? g : momentum * buffer + (1 - dampening) * g;
            buffer = v;
            g = nesterov ? g + momentum * v : v;
        }
        p -= rate * g;
    }
}

// Adam, AdamW (decoupled) and AMSGrad (largest). correction1 is 1 - beta1^step, correction2 is 1 - beta2^step.
extern "C" __global__ void adam_step(
    Arrays params,
    const Arrays grads,
    Arrays exp_avgs,
    Arrays exp_avg_sqs,
    Arrays max_exp_avg_sqs,                   // () or null
    const Numbers sizes,
    const Numbers ends,
    const real* schedule,                     // (3) or null: lr, correction1, correction2
    int arrays, int amsgrad, real lr, real correction1, real correction2, real beta1, real beta2, real eps,
    real weight_decay, int decoupled, int maximize) {
    const Piece piece(ends, sizes, arrays);
    if (schedule) {
        lr = schedule[0];
        correction1 = schedule[1];
        correction2 = schedule[2];
    }
    EACH(e, piece) {
        real p = params.of[piece.array][e];
        real& exp_avg = exp_avgs.of[piece.array][e];
        real& exp_avg_sq = exp_avg_sqs.of[piece.array][e];
        const real g = gradient(grads.of[piece.array][e], p, decoupled ? 0 : weight_decay, maximize);
        const real m = exp_avg + (1 - beta1) * (g - exp_avg);
        real v = beta2 * exp_avg_sq + (1 - beta2) * g * g;
        exp_avg = m;
        exp_avg_sq = v;
        if (amsgrad) {
            real& largest = max_exp_avg_sqs.of[piece.array][e];
            if (!(v >= largest) && !isnan(v)) v = largest;     // the larger one; NaN stays
            largest = v;
        }
        if (decoupled) p *= 1 - lr * weight_decay;
        params.of[piece.array][e] = p - lr / correction1 * m / (sqrt(v / correction2) + eps);
    }
}

extern "C" __global__ void rmsprop_step(
    Arrays params,
    const Arrays grads,
    Arrays square_avgs,
    Arrays grad_avgs,                         // () or null
    Arrays momentum_buffers,                  // () or null
    const Numbers sizes,
    const Numbers ends,
    const real* schedule,                     // (1) or null: lr
    int arrays, int centred, int buffered, real lr, real alpha, real eps, real weight_decay, real momentum, int maximize) {
    const Piece piece(ends, sizes, arrays);
    const real rate = schedule ? schedule[0] : lr;
    EACH(e, piece) {
        real& p = params.of[piece.array][e];
        real& square_avg = square_avgs.of[piece.array][e];
        const real g = gradient(grads.of[piece.array][e], p, weight_decay, maximize);
        real v = alpha * square_avg + (1 - alpha) * g * g;
        square_avg = v;
        if (centred) {
            real& grad_avg = grad_avgs.of[piece.array][e];
            const real mean = grad_avg + (1 - alpha) * (g - grad_avg);
            grad_avg = mean;
            v -= mean * mean;
        }
        real change = g / (sqrt(v) + eps);
        if (buffered) {
            real& buffer = momentum_buffers.of[piece.array][e];
            change += momentum * buffer;
            buffer = change;
        }
        p -= rate * change;
    }
}

// The rate is lr / (1 + (step - 1) * lr_decay).
extern "C" __global__ void adagrad_step(
    Arrays params,
    const Arrays grads,
    Arrays sums,
    const Numbers sizes,
    const Numbers ends,
    const real* schedule,                     // (1) or null: the rate
    int arrays, real rate, real eps, real weight_decay, int maximize) {
    const Piece piece(ends, sizes, arrays);
    if (schedule) rate = schedule[0];
    EACH(e, piece) {
        real& p = params.of[piece.array][e];
        real& sum = sums.of[piece.array][e];
        const real g = gradient(grads.of[piece.array][e], p, weight_decay, maximize);
        const real s = sum + g * g;
        sum = s;
        p -= rate * g / (sqrt(s) + eps);
    }
}

extern "C" __global__ void adadelta_step(
    Arrays params,
    const Arrays grads,
    Arrays square_avgs,
    Arrays acc_deltas,
    const Numbers sizes,
    const Numbers ends,
    const real* schedule,                     // (1) or null: lr
    int arrays, real lr, real rho, real eps, real weight_decay, int maximize) {
    const Piece piece(ends, sizes, arrays);
    const real rate = schedule ? schedule[0] : lr;
    EACH(e, piece) {
        real& p = params.of[piece.array][e];
        real& square_avg = square_avgs.of[piece.array][e];
        real& acc_delta = acc_deltas.of[piece.array][e];
        const real g = gradient(grads.of[piece.array][e], p, weight_decay, maximize);
        const real v = rho * square_avg + (1 - rho) * g * g;
        const real u = acc_delta;
        const real d = sqrt(u + eps) / sqrt(v + eps) * g;
        square_avg = v;
        acc_delta = rho * u + (1 - rho) * d * d;
        p -= rate * d;
    }
}
