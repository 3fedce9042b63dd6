//! A crate as it is written: its modules, and every path that is named in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// A path as names: `crate::store::Store` is three. A path that began with `::` begins with an empty name.
pub type Names = Vec<String>;

/// Index of a module in [`House::modules`].
pub type Id = usize;

/// The crate's root: `lib.rs`.
pub const ROOT: Id = 0;

/// A module, and the names that it has.
#[derive(Debug, Default)]
pub struct Module {
    /// Without the crate's name: empty for the root.
    pub path: Names,
    /// Where it is written, below the crate's folder.
    pub file: String,
    pub parent: Option<Id>,
    pub children: BTreeMap<String, Id>,
    /// What is defined here.
    pub items: BTreeSet<String>,
    /// What is called by another name here: by `use`, `as`, or `type`.
    pub aliases: BTreeMap<String, Names>,
    /// What stands before `::*`.
    pub globs: Vec<Names>,
}

/// A path in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// Where it is named.
    pub module: Id,
    pub path: Names,
    /// Really under `cfg(test)`: by an attribute here, or of a module around.
    pub test: bool,
    /// Part of a `pub use`, which hands a name on and does nothing with it.
    pub handed_on: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct House {
    pub modules: Vec<Module>,
    /// Each once, with the line where it stands first.
    pub mentions: BTreeMap<Mention, usize>,
}

/// The agent's crate.
pub static AGENT: LazyLock<House> = LazyLock::new(|| House::of("ringmon"));
/// The core.
pub static CORE: LazyLock<House> = LazyLock::new(|| House::of("ringmon/core"));

impl House {
    /// Reads the crate in this folder of the workspace, beginning with its `src/lib.rs`.
    fn of(folder: &str) -> Self {
        let folder = workspace().join(folder);
        Self::read(&|file| fs::read_to_string(folder.join(file)).ok())
    }

    /// Reads the crate whose files these are: pairs of a name and what is written there.
    pub fn built_of(files: &[(&str, &str)]) -> Self {
        Self::read(&|name| files.iter().find(|(file, _)| *file == name).map(|(_, code)| (*code).to_owned()))
    }

    fn read(source: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut house = Self::default();
        house.add(None, "", "src/lib.rs");
        super::paths::read(&mut house, source);
        house
    }

    /// A module of this name in that one.
    pub fn add(&mut self, parent: Option<Id>, name: &str, file: &str) -> Id {
        let id = self.modules.len();
        let mut path = Names::new();
        if let Some(parent) = parent {
            self.modules[parent].children.insert(name.to_owned(), id);
            path.clone_from(&self.modules[parent].path);
            path.push(name.to_owned());
        }
        self.modules.push(Module { path, file: file.to_owned(), parent, ..Module::default() });
        id
    }

    /// `file:line` of a mention.
    pub fn place(&self, mention: &Mention) -> String {
        format!("{}:{}", self.modules[mention.module].file, self.mentions.get(mention).copied().unwrap_or_default())
    }
}

/// The folder of the whole workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}
