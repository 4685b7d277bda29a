/* value * 2^-n, rounded to the nearest, ties to even. */
static int64_t round_shift(int64_t value, int32_t n)
{
    if (n == 0) {
        return value;
    }
    const int64_t half = (int64_t)1 << (n - 1);
    const int64_t down = floor_shift(value, n);
    const int64_t fraction = value - down * 2 * half;
    return down + (fraction > half || (fraction == half && down % 2 != 0));
}
