/* clamp(round(M0 * (x - Z1) * 2^-n) + Z3) */
struct rescale {
    int32_t flip, zero_point;
    uint32_t multiplier;
    int32_t shift, output_zero_point, min, max;
};

/* Rows of `length` codes into rows that lie `step` apart. */
static void run_rescale(const struct rescale *r, size_t rows, size_t length, size_t step, const uint8_t *input, uint8_t *output)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < length; i++) {
            const int64_t product = (int64_t)(load(*input++, r->flip) - r->zero_point) * (int64_t)r->multiplier;
            output[row * step + i] = store(round_shift(product, r->shift) + r->output_zero_point, r->min, r->max);
        }
    }
}
