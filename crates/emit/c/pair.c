/* Two operands, element by element; operands of smaller shapes are repeated, with steps of 0. */
struct pair {
    int32_t axes;
    const int32_t *sizes, *step_a, *step_b;
    int32_t flip_a, flip_b, zero_point_a, zero_point_b;
    uint32_t multiplier_a, multiplier_b; /* of a product the first alone */
    int32_t shift, output_zero_point, min, max;
};

/* The place of the element at a row-major index of sizes, in memory with these steps. */
static size_t place(const struct pair *pair, const int32_t *steps, size_t index)
{
    size_t offset = 0;
    for (int32_t axis = pair->axes - 1; axis >= 0; axis--) {
        offset += index % (size_t)pair->sizes[axis] * (size_t)steps[axis];
        index /= (size_t)pair->sizes[axis];
    }
    return offset;
}
