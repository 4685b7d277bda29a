/* A convolution, or a linear layer: output = clamp(round((sum(x * w) + folded_bias) * multiplier * 2^-shift) + Z3).
   Axes that are not there have sizes of 1. */
struct layer {
    int32_t images, groups, group_inputs, group_outputs;
    struct axis depth, height, width;
    int32_t (*source)(const struct axis *, int32_t, int32_t);
    const int8_t *weight;             /* (output channel, input channel of its group, depth, height, width) */
    const folded_bias_type *folded_bias; /* bias - Z1 * weight_sum, per output channel */
    const uint32_t *multiplier;       /* M0, per output channel */
    const uint8_t *shift;             /* n, per output channel */
    const int16_t *weight_zero_point; /* Z2, per output channel; NULL where all are 0 */
    int32_t input_flip, padding_value, output_zero_point, min, max;
};

/* Copies the codes that the taps of one group meet at one output position, in the order of the weights. */
static int32_t gather(const struct layer *layer, const uint8_t *input, int32_t z, int32_t y, int32_t x)
{
    const struct axis *d = &layer->depth, *h = &layer->height, *w = &layer->width;
    int32_t taps = 0;
    for (int32_t channel = 0; channel < layer->group_inputs; channel++) {
        for (int32_t tz = 0; tz < d->kernel; tz++) {
            const int32_t iz = layer->source(d, z, tz);
            for (int32_t ty = 0; ty < h->kernel; ty++) {
                const int32_t iy = layer->source(h, y, ty);
                for (int32_t tx = 0; tx < w->kernel; tx++) {
                    const int32_t ix = layer->source(w, x, tx);
                    int32_t code = layer->padding_value;
                    if (iz >= 0 && iy >= 0 && ix >= 0) {
                        const size_t row = ((size_t)channel * (size_t)d->input + (size_t)iz) * (size_t)h->input + (size_t)iy;
                        code = load(input[row * (size_t)w->input + (size_t)ix], layer->input_flip);
                    }
                    patch[taps++] = (int16_t)code;
                }
            }
        }
    }
    return taps;
}

/* One output code from the gathered codes. */
static uint8_t dot_and_requantize(const struct layer *layer, int32_t channel, int32_t taps)
{
    const int8_t *weight = &layer->weight[(size_t)channel * (size_t)taps];
    accumulator_type sum = 0;
    for (int32_t t = 0; t < taps; t++) {
        sum = ACCUMULATOR(sum + (int32_t)patch[t] * weight[t]);
    }
    int64_t biased = (int64_t)sum;
    if (layer->weight_zero_point != NULL) {
        int64_t codes = 0;
        for (int32_t t = 0; t < taps; t++) {
            codes += patch[t];
        }
        biased -= codes * layer->weight_zero_point[channel];
    }
    biased = BIASED(biased * BIAS_UNIT + layer->folded_bias[channel]);
    const int64_t product = PRODUCT(biased * (int64_t)layer->multiplier[channel]);
    const int64_t shifted = PRODUCT(round_shift(product, layer->shift[channel]));
    return store(PRODUCT(shifted + layer->output_zero_point), layer->min, layer->max);
}

static void run_layer(const struct layer *layer, const uint8_t *input, uint8_t *output)
{
    const struct axis *d = &layer->depth, *h = &layer->height, *w = &layer->width;
    const size_t group_size = (size_t)layer->group_inputs * (size_t)d->input * (size_t)h->input * (size_t)w->input;
    const size_t area = (size_t)d->output * (size_t)h->output * (size_t)w->output;
    for (int32_t image = 0; image < layer->images; image++) {
        for (int32_t group = 0; group < layer->groups; group++) {
            size_t position = 0;
            for (int32_t z = 0; z < d->output; z++) {
                for (int32_t y = 0; y < h->output; y++) {
                    for (int32_t x = 0; x < w->output; x++) {
                        const int32_t taps = gather(layer, input, z, y, x);
                        for (int32_t o = 0; o < layer->group_outputs; o++) {
                            const int32_t channel = group * layer->group_outputs + o;
                            output[(size_t)o * area + position] = dot_and_requantize(layer, channel, taps);
                        }
                        position++;
                    }
                }
            }
            input += group_size;
            output += (size_t)layer->group_outputs * area;
        }
    }
}
