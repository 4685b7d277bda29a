/* The input position that tap t meets at output position o; -1 in the padding. */
static int32_t source_zeros(const struct axis *axis, int32_t o, int32_t t)
{
    const int32_t place = o * axis->stride - axis->padding + t * axis->dilation;
    return place >= 0 && place < axis->input ? place : -1;
}
