/* The input position that reaches output position o through tap t of a transposed convolution; -1 if none does. */
static int32_t source_transposed(const struct axis *axis, int32_t o, int32_t t)
{
    const int32_t place = o + axis->padding - t * axis->dilation;
    return place >= 0 && place % axis->stride == 0 && place / axis->stride < axis->input ? place / axis->stride : -1;
}
