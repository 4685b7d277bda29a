/* value * 2^-n, rounded to the nearest, ties up. */
static int64_t round_shift(int64_t value, int32_t n)
{
    return n == 0 ? value : floor_shift(value + ((int64_t)1 << (n - 1)), n);
}
