/* What a register of some bits holds after a value was written to it: the nearest value that it can. */
static int64_t hold(int64_t value, int32_t bits)
{
    const int64_t max = INT64_MAX >> (64 - bits);
    return value > max ? max : value < -max - 1 ? -max - 1 : value;
}
