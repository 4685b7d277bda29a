/* value * 2^-n, rounded down. */
static int64_t round_shift(int64_t value, int32_t n)
{
    return floor_shift(value, n);
}
