//! The subset of Python text in which PyTorch writes `forward`: TorchScript code and FX code.
