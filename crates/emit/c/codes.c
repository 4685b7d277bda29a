/* The code in a byte. flip is 0 for unsigned codes and 128 for signed ones. */
static int32_t load(uint8_t byte, int32_t flip)
{
    return (byte ^ flip) - flip;
}

/* The byte of a code within [min, max]; conversion to an unsigned type keeps the low bits. */
static uint8_t store(int64_t code, int32_t min, int32_t max)
{
    return (uint8_t)(code < min ? min : code > max ? max : code);
}
