/* One spatial axis of a window: sizes of input, output and kernel, and how the kernel moves. */
struct axis {
    int32_t input, output, kernel, stride, padding, dilation;
};
