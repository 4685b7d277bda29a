/* Rows of `length` codes into rows that lie `step` apart, unchanged. */
static void copy_rows(size_t rows, size_t length, size_t step, const uint8_t *input, uint8_t *output)
{
    for (size_t row = 0; row < rows; row++) {
        memcpy(&output[row * step], &input[row * length], length);
    }
}
