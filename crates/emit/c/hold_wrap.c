/* What a register of some bits holds after a value was written to it: the low bits. */
static int64_t hold(int64_t value, int32_t bits)
{
    const uint64_t all = ~(uint64_t)0 >> (64 - bits), low = (uint64_t)value & all;
    return low > all / 2 ? -(int64_t)(all - low) - 1 : (int64_t)low;
}
