/* Means of boxes: clamp(round(M0 * sum(x - Z1) * 2^-n) + Z3), with M0 and n by the number that the sum is divided by. */
struct span {
    uint16_t start, end;
};

struct mean_axis {
    int32_t output, step;     /* output positions; distance of neighbours in the input */
    const struct span *spans; /* the positions of each window; NULL where each is one position */
};

struct mean {
    struct mean_axis axes[5];
    const uint32_t *multiplier; /* M0, one per different divisor */
    const uint8_t *shift;       /* n, as many */
    const uint8_t *divisor;     /* which of them, by position within the last three axes; NULL where there is one */
    int32_t flip, zero_point, output_zero_point, min, max;
};

/* The sum of a box over the axes from `axis` on. */
static int64_t box_sum(const struct mean *mean, int32_t axis, const int32_t place[5], const uint8_t *input)
{
    if (axis == 5) {
        return load(*input, mean->flip) - mean->zero_point;
    }
    const struct mean_axis *a = &mean->axes[axis];
    const int32_t start = a->spans == NULL ? place[axis] : a->spans[place[axis]].start;
    const int32_t end = a->spans == NULL ? place[axis] + 1 : a->spans[place[axis]].end;
    int64_t sum = 0;
    for (int32_t position = start; position < end; position++) {
        sum += box_sum(mean, axis + 1, place, &input[(size_t)position * (size_t)a->step]);
    }
    return sum;
}

static void run_mean(const struct mean *mean, size_t count, const uint8_t *input, uint8_t *output)
{
    const struct mean_axis *a = mean->axes;
    const size_t area = (size_t)a[2].output * (size_t)a[3].output * (size_t)a[4].output;
    for (size_t i = 0; i < count; i++) {
        int32_t where[5];
        size_t rest = i;
        for (int32_t axis = 4; axis >= 0; axis--) {
            where[axis] = (int32_t)(rest % (size_t)a[axis].output);
            rest /= (size_t)a[axis].output;
        }
        const size_t which = mean->divisor == NULL ? 0 : mean->divisor[i % area];
        const int64_t product = box_sum(mean, 0, where, input) * (int64_t)mean->multiplier[which];
        const int64_t shifted = round_shift(product, mean->shift[which]);
        output[i] = store(shifted + mean->output_zero_point, mean->min, mean->max);
    }
}
