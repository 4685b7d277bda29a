/* value * 2^-n, rounded twice as gemmlowp does: by 31 bits, ties up, then by the rest, ties away from zero. */
static int64_t round_shift(int64_t value, int32_t n)
{
    const int32_t first = n < 31 ? n : 31, rest = n - first;
    if (first > 0) {
        value = floor_shift(value + ((int64_t)1 << (first - 1)), first);
    }
    if (rest > 0) {
        const int64_t half = (int64_t)1 << (rest - 1);
        value = value < 0 ? -((half - value) >> rest) : (value + half) >> rest;
    }
    return value;
}
