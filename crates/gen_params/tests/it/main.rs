//! Known answers of the whole way from a file to the integers.

mod forms;
mod goldens;
mod layers;
mod support;
