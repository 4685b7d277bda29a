"""Writes quantized networks of ResNet-50's size, for timing: random weights, plausible scales, nothing trained.

    python make_resnet50.py state_dict.pt [script.pt]

The shapes are those of ResNet-50 (bottleneck blocks 3, 4, 6, 3 with an expansion of 4; 25.5 million weights), with
per-channel 8-bit weights, batch norm folded and residual sums that add and apply ReLU. script.pt is the network as
TorchScript, whose topology is in the file. state_dict.pt is its state_dict, `quant` first, then every convolution in
order, then `fc`; the sums' own keys are left out, so that the keys read as one chain. It is for timing, not for
running. The same seed gives the same weights.
"""
import sys
from collections import OrderedDict

import torch
from torch import nn
from torch.ao.nn.intrinsic.quantized import ConvReLU2d
from torch.ao.nn.quantized import Conv2d, DeQuantize, Linear, QFunctional, Quantize

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width, blocks, stride of the first block
EXPANSION = 4
ACTIVATION_SCALE, UNSIGNED_SCALE = (0.02, 0.06), (0.01, 0.04)


def uniform(low, high):
    return low + (high - low) * torch.rand(()).item()


def random_weight(*shape):
    codes = torch.randint(-127, 128, shape, dtype=torch.int8)
    fan_in = codes[0].numel()
    scales = (0.5 + torch.rand(shape[0])).double() * (2 / fan_in) ** 0.5 / 73  # 73: deviation of a uniform code
    return torch._make_per_channel_quantized_tensor(codes, scales, torch.zeros(shape[0], dtype=torch.long), 0)


def with_output(module, relu):
    """Gives a layer its output scale; a fused ReLU makes 0 the lowest value."""
    module.scale = uniform(*(UNSIGNED_SCALE if relu else ACTIVATION_SCALE))
    module.zero_point = 0 if relu else int(torch.randint(48, 80, ()))
    return module


def conv(inputs, outputs, kernel, stride=1, relu=True):
    kind = ConvReLU2d if relu else Conv2d
    module = kind(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
    module.set_weight_bias(random_weight(outputs, inputs, kernel, kernel), torch.randn(outputs) * 0.1)
    return with_output(module, relu)


def linear(inputs, outputs):
    module = Linear(inputs, outputs)
    module.set_weight_bias(random_weight(outputs, inputs), torch.randn(outputs) * 0.1)
    return with_output(module, False)


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = width * EXPANSION
        self.conv1 = conv(inputs, width, 1)
        self.conv2 = conv(width, width, 3, stride)
        self.conv3 = conv(width, outputs, 1, relu=False)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride, relu=False))
        self.add = with_output(QFunctional(), True)

    def forward(self, x):
        return self.add.add_relu(self.conv3(self.conv2(self.conv1(x))), self.downsample(x))


class ResNet50(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = Quantize(0.0187, 114, torch.quint8)
        self.conv1 = conv(3, 64, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for number, (width, blocks, stride) in enumerate(STAGES, 1):
            stage = []
            for index in range(blocks):
                stage.append(Bottleneck(inputs, width, stride if index == 0 else 1))
                inputs = width * EXPANSION
            setattr(self, f"layer{number}", nn.Sequential(*stage))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = linear(inputs, 1000)
        self.dequant = DeQuantize()

    def forward(self, x):
        x = self.maxpool(self.conv1(self.quant(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.dequant(self.fc(self.flatten(self.avgpool(x))))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.backends.quantized.engine = "fbgemm"
    network = ResNet50().eval()
    state = OrderedDict((key, value) for key, value in network.state_dict().items() if ".add." not in key)
    weights = sum(tensor.numel() for value in state.values() for tensor in (value if isinstance(value, tuple) else (value,))
                  if isinstance(tensor, torch.Tensor) and tensor.is_quantized)
    torch.save(state, sys.argv[1])
    if len(sys.argv) == 3:
        torch.jit.save(torch.jit.script(network), sys.argv[2])
    print(f"{len(state)} keys, {weights} weights")


if __name__ == "__main__":
    main()
