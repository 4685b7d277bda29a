/* Matrices (rows, inner) and (inner, columns): clamp(round(M0 * sum((a - Za) * (b - Zb)) * 2^-n) + Z3) */
struct matrix_product {
    int32_t matrices, rows, inner, columns;
    int32_t flip_a, flip_b, zero_point_a, zero_point_b;
    uint32_t multiplier;
    int32_t shift, output_zero_point, min, max;
};

static void run_matrix_product(const struct matrix_product *m, const uint8_t *a, const uint8_t *b, uint8_t *output)
{
    for (int32_t matrix = 0; matrix < m->matrices; matrix++) {
        for (int32_t row = 0; row < m->rows; row++) {
            for (int32_t column = 0; column < m->columns; column++) {
                int64_t sum = 0;
                for (int32_t k = 0; k < m->inner; k++) {
                    const int64_t x = load(a[(size_t)row * (size_t)m->inner + (size_t)k], m->flip_a) - m->zero_point_a;
                    const int64_t y = load(b[(size_t)k * (size_t)m->columns + (size_t)column], m->flip_b) - m->zero_point_b;
                    sum += x * y;
                }
                const int64_t shifted = round_shift(sum * (int64_t)m->multiplier, m->shift);
                *output++ = store(shifted + m->output_zero_point, m->min, m->max);
            }
        }
        a += (size_t)m->rows * (size_t)m->inner;
        b += (size_t)m->inner * (size_t)m->columns;
    }
}
