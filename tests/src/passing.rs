//! The pass-all XDP program for the far ends of veth pairs. Without one there, what native XDP sends back vanishes.
//!
//! It is attached with aya and not with ip(8), because ip mounts a bpffs on the machine and leaves it there.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use aya::Ebpf;
use aya::programs::{Xdp, XdpMode};

use crate::namespace::Namespace;

const PROGRAM: &str = "pass";

/// The loaded program, attached to some interfaces, until this is dropped.
#[derive(Clone, Debug)]
pub struct Passing {
    object: Arc<Mutex<Ebpf>>,
}

impl Passing {
    /// Loads the program from this object.
    ///
    /// # Errors
    /// The file does not exist, or the kernel refused the program.
    pub fn load(object: &Path) -> anyhow::Result<Self> {
        let name = object.display();
        let mut loaded = Ebpf::load_file(object).map_err(|error| anyhow!("cannot read {name}: {error:?}"))?;
        program(&mut loaded)?.load().map_err(|error| anyhow!("the kernel refused {name}: {error:?}"))?;
        Ok(Self { object: Arc::new(Mutex::new(loaded)) })
    }

    /// Attaches it to an interface of this namespace, in the driver.
    ///
    /// # Errors
    /// The interface does not exist, or has a program already.
    pub fn attach(&self, namespace: &Namespace, interface: &str) -> anyhow::Result<()> {
        let (object, name) = (Arc::clone(&self.object), interface.to_owned());
        namespace.run(move || {
            let mut object = object.lock().unwrap_or_else(PoisonError::into_inner);
            let attached = program(&mut object)?.attach(&name, XdpMode::Driver);
            attached.map(drop).map_err(|error| anyhow!("cannot attach to {name}: {error:?}"))
        })?
    }
}

fn program(object: &mut Ebpf) -> anyhow::Result<&mut Xdp> {
    let program = object.program_mut(PROGRAM).with_context(|| format!("no program {PROGRAM} in the object"))?;
    program.try_into().map_err(|error| anyhow!("{PROGRAM} is no XDP program: {error:?}"))
}
