/* clamp(round((M0a * (a - Za) + M0b * (b - Zb)) * 2^-n) + Z3) */
static void run_sum(const struct pair *pair, size_t count, const uint8_t *a, const uint8_t *b, uint8_t *output)
{
    for (size_t i = 0; i < count; i++) {
        const int64_t x = load(a[place(pair, pair->step_a, i)], pair->flip_a) - pair->zero_point_a;
        const int64_t y = load(b[place(pair, pair->step_b, i)], pair->flip_b) - pair->zero_point_b;
        const int64_t sum = x * (int64_t)pair->multiplier_a + y * (int64_t)pair->multiplier_b;
        output[i] = store(round_shift(sum, pair->shift) + pair->output_zero_point, pair->min, pair->max);
    }
}
