/* What CMSIS-NN's int8 functions compute, written plainly from their documentation: one loop per axis. */
#include "arm_nnfunctions.h"
#include "reference.h"

/* The product divided by 2^31, ties up, then by 2^-shift, ties away from zero; a positive shift comes first. */
static int32_t requantize(int32_t sum, int32_t multiplier, int32_t shift)
{
    int64_t shifted = shift > 0 ? (int64_t)sum * ((int64_t)1 << shift) : sum;
    int64_t product = shifted * multiplier + ((int64_t)1 << 30);
    int64_t divisor = (int64_t)1 << 31;
    int64_t high = product / divisor - (product % divisor < 0);
    int64_t power = (int64_t)1 << (shift < 0 ? -shift : 0);
    return (int32_t)(high >= 0 ? (high + power / 2) / power : -((-high + power / 2) / power));
}

static int8_t finish(int32_t sum, int32_t multiplier, int32_t shift, int32_t offset, cmsis_nn_activation clamp)
{
    int32_t code = requantize(sum, multiplier, shift) + offset;
    return (int8_t)(code < clamp.min ? clamp.min : code > clamp.max ? clamp.max : code);
}

static int inside(int32_t row, int32_t column, const cmsis_nn_dims *dims)
{
    return row >= 0 && row < dims->h && column >= 0 && column < dims->w;
}

void arm_convolve_wrapper_s8(const cmsis_nn_conv_params *p, const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *f, const int8_t *weight, const cmsis_nn_dims *b, const int32_t *bias, const cmsis_nn_dims *out, int8_t *y)
{
    int32_t group_outputs = out->c / (in->c / f->c);
    for (int32_t row = 0; row < out->h; row++)
    for (int32_t column = 0; column < out->w; column++)
    for (int32_t o = 0; o < b->c; o++) {
        int32_t sum = bias[o];
        for (int32_t i = 0; i < f->h; i++)
        for (int32_t j = 0; j < f->w; j++) {
            int32_t r = row * p->stride.h - p->padding.h + i * p->dilation.h;
            int32_t s = column * p->stride.w - p->padding.w + j * p->dilation.w;
            for (int32_t c = 0; inside(r, s, in) && c < f->c; c++) {
                int32_t code = x[(r * in->w + s) * in->c + o / group_outputs * f->c + c];
                sum += (code + p->input_offset) * weight[((o * f->h + i) * f->w + j) * f->c + c];
            }
        }
        *y++ = finish(sum, q->multiplier[o], q->shift[o], p->output_offset, p->activation);
    }
}

void arm_depthwise_conv_wrapper_s8(const cmsis_nn_dw_conv_params *p, const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *f, const int8_t *weight, const cmsis_nn_dims *b, const int32_t *bias, const cmsis_nn_dims *out, int8_t *y)
{
    for (int32_t row = 0; row < out->h; row++)
    for (int32_t column = 0; column < out->w; column++)
    for (int32_t o = 0; o < b->c; o++) {
        int32_t sum = bias[o];
        for (int32_t i = 0; i < f->h; i++)
        for (int32_t j = 0; j < f->w; j++) {
            int32_t r = row * p->stride.h - p->padding.h + i * p->dilation.h;
            int32_t s = column * p->stride.w - p->padding.w + j * p->dilation.w;
            if (inside(r, s, in)) {
                int32_t code = x[(r * in->w + s) * in->c + o / p->ch_mult];
                sum += (code + p->input_offset) * weight[(i * f->w + j) * f->c + o];
            }
        }
        *y++ = finish(sum, q->multiplier[o], q->shift[o], p->output_offset, p->activation);
    }
}

static int32_t row_sum(const cmsis_nn_fc_params *p, const cmsis_nn_dims *f, const int8_t *x, const int8_t *weight, int32_t bias)
{
    for (int32_t i = 0; i < f->n; i++) {
        bias += (x[i] + p->input_offset) * (weight[i] + p->filter_offset);
    }
    return bias;
}

void arm_fully_connected_s8(const cmsis_nn_fc_params *p, const cmsis_nn_per_tensor_quant_params *q, const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *f, const int8_t *weight, const cmsis_nn_dims *b, const int32_t *bias, const cmsis_nn_dims *out, int8_t *y)
{
    for (int32_t o = 0; o < f->c && in->c == f->n && b->c == out->c; o++) {
        int32_t sum = row_sum(p, f, x, &weight[o * f->n], bias[o]);
        y[o] = finish(sum, q->multiplier, q->shift, p->output_offset, p->activation);
    }
}

void arm_fully_connected_per_channel_s8(const cmsis_nn_fc_params *p, const cmsis_nn_per_channel_quant_params *q, const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *f, const int8_t *weight, const cmsis_nn_dims *b, const int32_t *bias, const cmsis_nn_dims *out, int8_t *y)
{
    for (int32_t o = 0; o < f->c && in->c == f->n && b->c == out->c; o++) {
        int32_t sum = row_sum(p, f, x, &weight[o * f->n], bias[o]);
        y[o] = finish(sum, q->multiplier[o], q->shift[o], p->output_offset, p->activation);
    }
}

/* The largest code of a window, or the mean rounded to the nearest, ties away from zero. */
static void pool(int mean, const cmsis_nn_pool_params *p, const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *f, const cmsis_nn_dims *out, int8_t *y)
{
    for (int32_t row = 0; row < out->h; row++)
    for (int32_t column = 0; column < out->w; column++)
    for (int32_t c = 0; c < out->c; c++) {
        int32_t sum = 0, count = 0, largest = -128;
        for (int32_t i = 0; i < f->h; i++)
        for (int32_t j = 0; j < f->w; j++) {
            int32_t r = row * p->stride.h - p->padding.h + i, s = column * p->stride.w - p->padding.w + j;
            if (inside(r, s, in)) {
                int32_t code = x[(r * in->w + s) * in->c + c];
                sum += code;
                count++;
                largest = code > largest ? code : largest;
            }
        }
        int32_t code = largest;
        if (mean) {
            code = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
        }
        *y++ = (int8_t)(code < p->activation.min ? p->activation.min : code > p->activation.max ? p->activation.max : code);
    }
}

void arm_max_pool_s8(const cmsis_nn_pool_params *p, const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *f, const cmsis_nn_dims *out, int8_t *y)
{
    pool(0, p, in, x, f, out, y);
}

void arm_avgpool_s8(const cmsis_nn_pool_params *p, const cmsis_nn_dims *in, const int8_t *x, const cmsis_nn_dims *f, const cmsis_nn_dims *out, int8_t *y)
{
    pool(1, p, in, x, f, out, y);
}
