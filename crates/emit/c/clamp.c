/* Codes limited to [min, max]. */
static void run_clamp(int32_t flip, int32_t min, int32_t max, size_t count, const uint8_t *input, uint8_t *output)
{
    for (size_t i = 0; i < count; i++) {
        output[i] = store(load(input[i], flip), min, max);
    }
}
