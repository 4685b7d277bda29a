/* The input position that tap t meets at output position o; the border is mirrored. */
static int32_t source_reflect(const struct axis *axis, int32_t o, int32_t t)
{
    const int32_t place = o * axis->stride - axis->padding + t * axis->dilation;
    return place < 0 ? -place : place < axis->input ? place : 2 * (axis->input - 1) - place;
}
