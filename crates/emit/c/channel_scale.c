/* clamp(round((M0 * (x - Z1) + offset) * 2^-n) + Z3), with M0 and offset per channel. */
struct channel_scale {
    int32_t images, channels, area;
    const int32_t *multiplier, *offset;
    int32_t shift, flip, zero_point, output_zero_point, min, max;
};

static void run_channel_scale(const struct channel_scale *s, const uint8_t *input, uint8_t *output)
{
    for (int32_t image = 0; image < s->images; image++) {
        for (int32_t channel = 0; channel < s->channels; channel++) {
            for (int32_t i = 0; i < s->area; i++) {
                const int64_t x = load(*input++, s->flip) - s->zero_point;
                const int64_t value = x * s->multiplier[channel] + s->offset[channel];
                *output++ = store(round_shift(value, s->shift) + s->output_zero_point, s->min, s->max);
            }
        }
    }
}
