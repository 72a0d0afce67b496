//! Tells the crate which Python it is compiled for: `cfg(Py_GIL_DISABLED)`, see
//! `src/cpython/nogil_lock.rs`.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
