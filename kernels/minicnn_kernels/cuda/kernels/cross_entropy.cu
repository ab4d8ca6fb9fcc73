// Softmax and cross-entropy in one, forward and backward.
//
// With label t, class weights and smoothing s, the label is a row of numbers q:
//
//     q_c  = (1 - s) * weight_t * [c = t] + s/C * weight_c          log p_c = x_c - max x - log(sum of e^(x - max x))
//     loss = - sum over c of q_c * log p_c                          grad of logit c = p_c * sum(q) - q_c
//
// A sample whose label is ignore_index has loss 0 and gradient 0; a label that is no class at all gives NaN rather than a read
// of foreign memory. One warp takes one sample: its 32 lanes stride over the classes, and shuffles sum up
// (reduce.cuh), so there is no barrier.
//
// Sources: Goodfellow, Bengio & Courville, Deep Learning, 2016, section 6.2.2; Szegedy et al., Rethinking the Inception
// architecture, 2016, section 7 (label smoothing).
#include "reduce.cuh"

extern "C" __global__ void cross_entropy_forward(
    const real* __restrict__ logits,         // (m, classes)
    const long long* __restrict__ target,    // (m)
    const real* __restrict__ weight,         // (classes) or null
    real* __restrict__ losses,               // (m)
    real* __restrict__ log_probabilities,    // (m, classes)
    int m, int classes, long long ignore_index, real label_smoothing) {
    const long long sample = FIRST / 32;
    const int lane = threadIdx.x % 32;
    if (sample >= m) return;                 // the whole warp
    const real* x = logits + sample * classes;
    real* log_p = log_probabilities + sample * classes;

    real largest = -INFINITE;
    for (int c = lane; c < classes; c += 32) largest = fmax(largest, x[c]);
    largest = warp_max(largest);
    real sum = 0;
    for (int c = lane; c < classes; c += 32) sum += exp(x[c] - largest);
    const real log_sum = log(warp_sum(sum));

    const long long label = target[sample];
    real weighted = 0, at_label = 0;         // weight_c * log p_c, over all classes and at the label alone
    for (int c = lane; c < classes; c += 32) {
        const real value = x[c] - largest - log_sum;
        const real term = weight ? weight[c] * value : value;
        log_p[c] = value;
        weighted += term;
        if (c == label) at_label = term;
    }
    weighted = warp_sum(weighted);
    at_label = warp_sum(at_label);
    if (lane > 0) return;
    const real loss = -(1 - label_smoothing) * at_label - label_smoothing / classes * weighted;
    const bool known = label >= 0 && label < classes;
    losses[sample] = label == ignore_index ? real(0) : known ? loss : INFINITE - INFINITE;
}

extern "C" __global__ void cross_entropy_grad(
    const real* __restrict__ grad_losses,        // (m)
    const real* __restrict__ log_probabilities,  // (m, classes)
    const long long* __restrict__ target,        // (m)
    const real* __restrict__ weight,             // (classes) or null
    real* __restrict__ grad_logits,              // (m, classes)
    int m, int classes, long long ignore_index, real label_smoothing) {
    const long long sample = FIRST / 32;
    const int lane = threadIdx.x % 32;
    if (sample >= m) return;
    const real* log_p = log_probabilities + sample * classes;
    real* grad = grad_logits + sample * classes;
    const long long label = target[sample];
    const real share = label_smoothing / classes;

    real smooth = 0, sharp = 0;                  // sum of the smoothed part of q; its part at the label
    for (int c = lane; c < classes; c += 32) {
        const real w = weight ? weight[c] : real(1);
        smooth += share * w;
        if (c == label) sharp = (1 - label_smoothing) * w;
    }
    smooth = warp_sum(smooth);
    sharp = warp_sum(sharp);
    for (int c = lane; c < classes; c += 32) {
        const real q = share * (weight ? weight[c] : real(1)) + (c == label ? sharp : real(0));
        const real value = (exp(log_p[c]) * (smooth + sharp) - q) * grad_losses[sample];
        grad[c] = label == ignore_index ? real(0) : value;
    }
}
