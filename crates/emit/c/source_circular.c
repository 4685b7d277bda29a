/* The input position that tap t meets at output position o; the input continues on its other side. */
static int32_t source_circular(const struct axis *axis, int32_t o, int32_t t)
{
    const int32_t place = o * axis->stride - axis->padding + t * axis->dilation;
    return place < 0 ? place + axis->input : place < axis->input ? place : place - axis->input;
}
