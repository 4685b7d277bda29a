/* The input position that tap t meets at output position o; the border is repeated. */
static int32_t source_replicate(const struct axis *axis, int32_t o, int32_t t)
{
    const int32_t place = o * axis->stride - axis->padding + t * axis->dilation;
    return place < 0 ? 0 : place < axis->input ? place : axis->input - 1;
}
