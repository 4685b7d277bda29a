/* value * 2^-n, rounded to the nearest, ties away from zero. */
static int64_t round_shift(int64_t value, int32_t n)
{
    if (n == 0) {
        return value;
    }
    const int64_t half = (int64_t)1 << (n - 1);
    return value < 0 ? -((half - value) >> n) : (value + half) >> n;
}
