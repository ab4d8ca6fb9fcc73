"""Answers as students hand them in: wrong, and what should be said about each."""

from __future__ import annotations

import numpy as np
from minicnn_kernels.reference.dropout import uniform
from minicnn_kernels.reference.indexing import taps

import minicnn
from minicnn.lessons.tasks import task_of


def of(operation):
    return task_of(operation).solution


def im2col_without_stride(x, window):
    (oh, ow), (kh, kw) = window.output_size, window.kernel_size
    (top, bottom), (left, right) = window.padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom + 20), (left, right + 20)))
    dh, dw = window.dilation
    columns = [padded[:, :, a * dh : a * dh + oh, b * dw : b * dw + ow] for a in range(kh) for b in range(kw)]
    return np.stack(columns, 2).reshape(len(x), x.shape[1] * kh * kw, oh * ow)


def im2col_taps_first(x, window):
    columns = of("im2col")(x, window)
    return columns.reshape(len(x), x.shape[1], -1, columns.shape[2]).swapaxes(1, 2).reshape(columns.shape)


def col2im_overwriting(columns, window):
    n, c = len(columns), columns.shape[1] // int(np.prod(window.kernel_size))
    x = np.zeros((n, c, *window.input_size), columns.dtype)
    for i, j in np.ndindex(window.output_size):
        for a, b, h, w in taps(window, i, j):
            for channel in range(c):
                row = (channel * window.kernel_size[0] + a) * window.kernel_size[1] + b
                x[:, channel, h, w] = columns[:, row, i * window.output_size[1] + j]
    return x


def conv_flipped(x, w, bias, window, groups):
    return of("conv2d.forward")(x, w[..., ::-1, ::-1], bias, window, groups)


def conv_without_bias(x, w, bias, window, groups):
    return of("conv2d.forward")(x, w, None, window, groups)


def grad_input_not_flipped(grad_y, w, window, groups):
    return of("conv2d.grad_input")(grad_y, w[:, :, ::-1, ::-1], window, groups)


def grad_weight_last_sample(grad_y, x, window, groups):
    grad_w = np.zeros((grad_y.shape[1], x.shape[1] // groups, *window.kernel_size), x.dtype)
    for n in range(len(x)):
        grad_w = of("conv2d.grad_weight")(grad_y[n : n + 1], x[n : n + 1], window, groups)
    return grad_w


def grad_weight_mean(grad_y, x, window, groups):
    return of("conv2d.grad_weight")(grad_y, x, window, groups) / max(len(x), 1)


def max_pool_with_zeros(x, window):
    width = window.kernel_size[1]
    y = np.zeros((*x.shape[:2], *window.output_size), x.dtype)
    winner = np.zeros(y.shape, window.tap_type)
    for n, c, i, j in np.ndindex(y.shape):
        for a, b, h, w in taps(window, i, j):
            if x[n, c, h, w] > y[n, c, i, j]:
                y[n, c, i, j], winner[n, c, i, j] = x[n, c, h, w], a * width + b
    return y, winner


def max_pool_passing_over_nan(x, window):
    return of("max_pool2d.forward")(np.where(np.isnan(x), np.array(-np.inf, x.dtype), x), window)


def max_pool_of_the_first_nan(x, window):
    y, winner = of("max_pool2d.forward")(x, window)
    for n, c, i, j in np.argwhere(np.isnan(y)):
        a, b = next((a, b) for a, b, h, w in taps(window, i, j) if np.isnan(x[n, c, h, w]))
        winner[n, c, i, j] = a * window.kernel_size[1] + b
    return y, winner


def max_pool_without_taps(x, window):
    return of("max_pool2d.forward")(x, window)[0]


def batch_norm_dividing_by_the_variance(x, mean, var, weight, bias, eps):
    shape = (1, -1, *[1] * (x.ndim - 2))
    y = (x - mean.reshape(shape)) / (var.reshape(shape) + eps)
    y = y if weight is None else y * weight.reshape(shape)
    return (y if bias is None else y + bias.reshape(shape)).astype(x.dtype)


def batch_norm_grad_of_constants(grad_y, x, mean, var, weight, eps):
    return of("batch_norm.grad")(grad_y, x, mean, var, weight, eps, True)


def cross_entropy_grad_of_the_mean(grad_losses, log_probabilities, target):
    p = np.exp(log_probabilities)
    p[np.arange(len(p)), target] -= 1
    return p * grad_losses[:, None] / max(len(p), 1)


def cross_entropy_overwriting(logits, target):
    logits -= logits.max(1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -log_p[np.arange(len(target)), target], log_p


def dropout_unscaled(x, p, seed):
    keep = np.array([uniform(seed, i) >= p for i in range(x.size)], bool).reshape(x.shape)
    return np.where(keep, x, 0), keep


def sgd_without_keeping_the_momentum(params, grads, momentum_buffers, lr, momentum):
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        v = grad if momentum_buffers is None else momentum * momentum_buffers[i] + grad
        param -= lr * v


def adam_uncorrected(params, grads, exp_avgs, exp_avg_sqs, step, lr, beta1, beta2, eps):
    for param, grad, m, v in zip(params, grads, exp_avgs, exp_avg_sqs, strict=True):
        m[...] = beta1 * m + (1 - beta1) * grad
        v[...] = beta2 * v + (1 - beta2) * grad**2
        param -= lr * m / (np.sqrt(v) + eps)


def adam_in_new_arrays(params, grads, exp_avgs, exp_avg_sqs, step, lr, beta1, beta2, eps):
    return [param - lr * grad for param, grad in zip(params, grads, strict=True)]


def sgd_in_new_arrays(params, grads, momentum_buffers, lr, momentum):
    for i, grad in enumerate(grads):
        v = grad
        if momentum_buffers is not None:
            v = momentum_buffers[i] = momentum * momentum_buffers[i] + grad
        params[i] = params[i] - lr * v


def raising(grad_y, y):
    return grad_y[100, 100, 100]


def nothing(grad_y, y):
    np.where(y > 0, grad_y, 0)


def of_lists(grad_y, y):
    return np.where(y > 0, grad_y, 0).tolist()


def of_tensors(grad_y, y):
    return minicnn.from_numpy(np.where(y > 0, grad_y, 0))


def doubled(grad_y, y):
    return np.where(y > 0, grad_y, 0).astype(np.float64)


def of_integers(x, window):
    return of("im2col")(x, window).astype(int).astype(x.dtype)


def in_the_arguments_memory(grad_y, y):
    grad_y[y <= 0] = 0
    return grad_y


def transposed_columns(x, window):
    return of("im2col")(x, window).swapaxes(1, 2).copy()


def not_a_number(grad_y, y):
    return (grad_y * (y / np.maximum(y, 0))).astype(grad_y.dtype)


WRONG = {  # answer -> (exercise, kind of problem, what the text says)
    im2col_without_stride: ("im2col", "values", ("with a stride", "the stride is forgotten. Right is: output row i looks at input row i*stride")),
    im2col_taps_first: ("im2col", "values", ("taps before channels",)),
    col2im_overwriting: ("col2im", "values", ("the last one overwrites the others", "+= and not =")),
    conv_flipped: ("conv2d.forward", "values", ("the kernel is flipped",)),
    conv_without_bias: ("conv2d.forward", "values", ("Only cases with a bias are wrong", "the bias is forgotten")),
    grad_input_not_flipped: ("conv2d.grad_input", "values", ("the kernel is not flipped",)),
    grad_weight_last_sample: ("conv2d.grad_weight", "values", ("several samples", "only the last sample counts")),
    grad_weight_mean: ("conv2d.grad_weight", "values", ("several samples", "the mean over the batch is taken")),
    max_pool_with_zeros: ("max_pool2d.forward", "values", ("y is wrong first at (0, ", "got 0", "the search for the maximum starts at 0")),
    max_pool_passing_over_nan: ("max_pool2d.forward", "values", ("Only cases with NaN are wrong", "NaN is passed over")),
    max_pool_of_the_first_nan: ("max_pool2d.forward", "values", ("Only cases with NaN are wrong", "a later NaN wins over an earlier one")),
    max_pool_without_taps: ("max_pool2d.forward", "count", ("returned 1 results; expected 2: y, taps",)),
    batch_norm_dividing_by_the_variance: ("batch_norm.normalize", "values", ("divided by the variance instead of its root",)),
    batch_norm_grad_of_constants: ("batch_norm.grad", "values", ("both mean terms are missing",)),
    cross_entropy_grad_of_the_mean: ("cross_entropy.grad", "values", ("divided by the batch size",)),
    cross_entropy_overwriting: ("cross_entropy.forward", "changed", ("it changed its argument logits", "logits.copy()")),
    dropout_unscaled: ("dropout.forward", "values", ("not divided by 1 - p",)),
    sgd_without_keeping_the_momentum: ("sgd.step", "values", ("momentum_buffers[0]", "the momentum buffers are not kept")),
    sgd_in_new_arrays: ("sgd.step", "changed", ("it put new arrays into the lists", "param[...] = ...")),
    adam_uncorrected: ("adam.step", "values", ("not corrected for their start at 0", "m/(1 - beta1^t)")),
    adam_in_new_arrays: ("adam.step", "type", ("a step changes its arguments in place",)),
    raising: ("relu.grad", "exception", ("IndexError", "in line", "return grad_y[100, 100, 100]")),
    nothing: ("relu.grad", "nothing", ("returned None", "return")),
    of_lists: ("relu.grad", "type", ("is a list", "np.array(...)")),
    of_tensors: ("relu.grad", "type", ("is a Tensor", "x.numpy()")),
    doubled: ("relu.grad", "dtype", ("Only cases with float32", "float64; expected float32", "grad_x.astype(grad_y.dtype)")),
    of_integers: ("im2col", "values", ("rounded to integers",)),
    in_the_arguments_memory: ("relu.grad", "changed", ("changed its argument grad_y",)),
    transposed_columns: ("im2col", "shape", ("expected (", "the dimensions are in another order")),
    not_a_number: ("relu.grad", "nan", ("NaN comes from 0/0",)),
}  # fmt: skip
