/* A function as a table of 256 codes, from that of the smallest input code on. */
static void run_table(const uint8_t *table, int32_t flip, size_t count, const uint8_t *input, uint8_t *output)
{
    for (size_t i = 0; i < count; i++) {
        output[i] = table[input[i] ^ flip];
    }
}
