/* Codes in other places. The source of an element is the sum of one table entry per axis; -1 stands for padding. */
struct selection {
    int32_t axes;
    const int32_t *sizes;
    const int32_t *const *sources;
    int32_t padding_value;
};

static void run_selection(const struct selection *s, size_t count, const uint8_t *input, uint8_t *output)
{
    for (size_t i = 0; i < count; i++) {
        size_t rest = i, source = 0;
        int inside = 1;
        for (int32_t axis = s->axes - 1; axis >= 0; axis--) {
            const int32_t entry = s->sources[axis][rest % (size_t)s->sizes[axis]];
            rest /= (size_t)s->sizes[axis];
            inside = inside && entry >= 0;
            source += inside ? (size_t)entry : 0;
        }
        output[i] = inside ? input[source] : (uint8_t)s->padding_value;
    }
}
