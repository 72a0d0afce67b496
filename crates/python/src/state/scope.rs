//! Where does a question about modules get its answer from?
//!
//! From one generation of the runtime in force. A [`Scope`] holds both, with the token that the GIL
//! is held, and has the questions that are asked of them. `state/caller.rs` picks the generation.

use pyo3::{prelude::*, types::PyString};

use crate::state::{generation::Generation, live_module::LiveModule, runtime::Runtime};

/// One generation of the runtime in force, while this thread is attached.
#[derive(Clone)]
pub struct Scope<'py> {
    pub py: Python<'py>,
    pub runtime: &'static Runtime,
    pub generation: Bound<'py, Generation>,
}

impl<'py> Scope<'py> {
    pub fn new(
        py: Python<'py>,
        runtime: &'static Runtime,
        generation: &Bound<'py, Generation>,
    ) -> Self {
        Scope { py, runtime, generation: generation.clone() }
    }

    #[inline]
    pub fn get(&self, name: &Bound<'py, PyString>) -> Option<Bound<'py, LiveModule>> {
        self.generation.get().get(self.py, name)
    }

    pub fn find(&self, name: &str) -> Option<Bound<'py, LiveModule>> {
        self.generation.get().find(self.py, name)
    }

    pub fn holds(&self, instance: &Bound<'py, LiveModule>) -> bool {
        self.generation.get().holds(self.py, instance)
    }

    #[inline]
    pub fn is_staged(&self) -> bool {
        self.generation.get().is_staged()
    }

    pub fn base(&self) -> Option<Scope<'py>> {
        let generation = self.generation.get().base(self.py)?;
        Some(Scope { generation, ..*self })
    }
}
