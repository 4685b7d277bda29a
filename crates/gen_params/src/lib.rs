//! gen_params
