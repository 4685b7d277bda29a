/* value * 2^-n, rounded down. C99 leaves right shifts of negative numbers to the compiler; ~value is not negative. */
static int64_t floor_shift(int64_t value, int32_t n)
{
    return value < 0 ? ~(~value >> n) : value >> n;
}
