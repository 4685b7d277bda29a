/* value * 2^-n, its fraction dropped. */
static int64_t round_shift(int64_t value, int32_t n)
{
    return value < 0 ? -(-value >> n) : value >> n;
}
