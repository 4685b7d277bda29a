/* The largest code of each window; padding never wins. */
struct max_pool {
    int32_t planes;
    struct axis depth, height, width;
    int32_t flip;
};

static void run_max_pool(const struct max_pool *pool, const uint8_t *input, uint8_t *output)
{
    const struct axis *d = &pool->depth, *h = &pool->height, *w = &pool->width;
    for (int32_t plane = 0; plane < pool->planes; plane++) {
        for (int32_t z = 0; z < d->output; z++) {
            for (int32_t y = 0; y < h->output; y++) {
                for (int32_t x = 0; x < w->output; x++) {
                    int32_t largest = -128;
                    for (int32_t tz = 0; tz < d->kernel; tz++) {
                        const int32_t iz = source_zeros(d, z, tz);
                        for (int32_t ty = 0; ty < h->kernel; ty++) {
                            const int32_t iy = source_zeros(h, y, ty);
                            for (int32_t tx = 0; tx < w->kernel; tx++) {
                                const int32_t ix = source_zeros(w, x, tx);
                                if (iz >= 0 && iy >= 0 && ix >= 0) {
                                    const size_t row = (size_t)iz * (size_t)h->input + (size_t)iy;
                                    const int32_t code = load(input[row * (size_t)w->input + (size_t)ix], pool->flip);
                                    largest = code > largest ? code : largest;
                                }
                            }
                        }
                    }
                    *output++ = (uint8_t)largest;
                }
            }
        }
        input += (size_t)d->input * (size_t)h->input * (size_t)w->input;
    }
}
