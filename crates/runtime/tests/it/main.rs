//! The fast engine against the scalar reference, and both against PyTorch.

mod fashion_mnist;
mod files;
mod layers;
mod support;
