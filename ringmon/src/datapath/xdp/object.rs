//! The BPF programs and their maps: embedded, loaded, and taken apart.

use std::error::Error as StdError;
use std::io;

use aya::maps::{Array, Map, MapData, RingBuf};
use aya::programs::{SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use ringmon_common::layout::{self, Config, Histogram, Identity, KeySlot, Outstanding, Prober, Watch};

use super::memory::Mapped;
use crate::datapath::Error;

/// `build.rs` copied it; it is empty without `cargo xtask build`.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ringmon.bpf.o"));
/// The log level that the programs start with (the name is aya-log-ebpf's).
const LOG_LEVEL: &str = "AYA_LOG_LEVEL";

/// Marks the values for aya.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Plain<T>(pub T);
// SAFETY: repr(C), integers only.
unsafe impl aya::Pod for Plain<Config> {}
// SAFETY: as above.
unsafe impl aya::Pod for Plain<KeySlot> {}

/// Loaded programs, attached or not, and their maps. Dropping it detaches and ends everything in the kernel.
pub struct Object {
    /// The programs, and the maps that only they use.
    pub ebpf: Ebpf,
    pub config: Array<MapData, Plain<Config>>,
    /// By key id.
    pub keys: Array<MapData, Plain<KeySlot>>,
    /// News from the programs.
    pub events: RingBuf<MapData>,
    /// What goes into replies.
    pub identity: Mapped<Identity>,
    pub watches: Mapped<Watch>,
    /// One for each watch, with its probes.
    pub window: Mapped<Outstanding>,
    /// Round trips of each watch.
    pub histogram: Mapped<Histogram>,
    pub probers: Mapped<Prober>,
    /// Verdicts and incidents.
    pub counters: Mapped<u64>,
}

impl Object {
    /// Loads everything and attaches nothing. With `log_level` 0 the programs' log lines cost nothing.
    ///
    /// # Errors
    /// [`Error::NoObject`], [`Error::Permission`], [`Error::OldKernel`] or [`Error::Refused`].
    pub fn load(log_level: u8) -> Result<Self, Error> {
        if OBJECT.is_empty() {
            return Err(Error::NoObject);
        }
        let mut ebpf = EbpfLoader::new()
            .override_global(LOG_LEVEL, &log_level, false)
            .load(OBJECT)
            .map_err(|error| refused("make the BPF maps", &error))?;
        Self::load_programs(&mut ebpf)?;
        Ok(Self {
            config: typed(&mut ebpf, "CONFIG")?,
            keys: typed(&mut ebpf, "POOL_KEYS")?,
            events: typed(&mut ebpf, "EVENTS")?,
            identity: mapped(&mut ebpf, "IDENTITY", 1)?,
            watches: mapped(&mut ebpf, "WATCHES", layout::WATCHES)?,
            window: mapped(&mut ebpf, "WINDOW", layout::WATCHES * layout::WINDOW)?,
            histogram: mapped(&mut ebpf, "HISTOGRAM", layout::WATCHES)?,
            probers: mapped(&mut ebpf, "PROBERS", layout::PROBERS)?,
            counters: mapped(&mut ebpf, "COUNTERS", ringmon_common::count::COUNTERS)?,
            ebpf,
        })
    }

    fn load_programs(ebpf: &mut Ebpf) -> Result<(), Error> {
        xdp(ebpf)?.load().map_err(|error| refused("load the XDP program", &error))?;
        egress(ebpf)?.load().map_err(|error| refused("load the egress program", &error))
    }
}

/// # Errors
/// The object is not the one that this code was written for.
pub fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, Error> {
    let program = ebpf.program_mut("ringmon_xdp").ok_or_else(|| foreign("ringmon_xdp"))?;
    program.try_into().map_err(|error| refused("use the XDP program", &error))
}

/// # Errors
/// As [`xdp`].
pub fn egress(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, Error> {
    classifier(ebpf, "ringmon_egress")
}

/// Loads the program when it is first asked for: most agents have the XDP slot.
///
/// # Errors
/// As [`xdp`], or the kernel does not take it.
pub fn ingress(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, Error> {
    let program = classifier(ebpf, "ringmon_ingress")?;
    if program.fd().is_err() {
        program.load().map_err(|error| refused("load the ingress program", &error))?;
    }
    Ok(program)
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut SchedClassifier, Error> {
    let program = ebpf.program_mut(name).ok_or_else(|| foreign(name))?;
    program.try_into().map_err(|error| refused("use a traffic control program", &error))
}

fn typed<T: TryFrom<Map, Error = aya::maps::MapError>>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, Error> {
    let map = ebpf.take_map(name).ok_or_else(|| foreign(name))?;
    T::try_from(map).map_err(|error| refused("use the BPF maps", &error))
}

fn mapped<T: super::memory::Words>(ebpf: &mut Ebpf, name: &'static str, entries: u32) -> Result<Mapped<T>, Error> {
    // The map stays with the programs: mapped memory needs no file descriptor of its own.
    let Some(Map::Array(map)) = ebpf.map(name) else { return Err(foreign(name)) };
    Mapped::new(map.fd(), entries).map_err(|source| Error::System { what: "map the BPF maps into memory", source })
}

fn foreign(name: &'static str) -> Error {
    Error::Refused { what: "use the BPF object", cause: format!("it has no {name}: it was built from other sources") }
}

/// Turns aya's error into ours. aya's texts leave out the causes, so this looks through the whole chain. EACCES is what
/// the verifier returns for a program that it rejects; without CAP_PERFMON it rejects ours, and fills pages with why.
pub fn refused(what: &'static str, error: &(dyn StdError + 'static)) -> Error {
    match errno(error) {
        Some(errno @ nix::libc::EPERM) => Error::Permission { what, source: io::Error::from_raw_os_error(errno) },
        Some(errno @ nix::libc::EACCES) if !may_measure() => {
            Error::Permission { what, source: io::Error::from_raw_os_error(errno) }
        }
        _ => match old_kernel() {
            Some(release) => Error::OldKernel { release },
            None => Error::Refused { what, cause: chain(error) },
        },
    }
}

/// Whether this thread has CAP_PERFMON, or CAP_SYS_ADMIN, which has it in it (capabilities(7)). If that cannot be read,
/// it counts as given.
fn may_measure() -> bool {
    const PERFMON_OR_ADMIN: u64 = 1 << 38 | 1 << 21;
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_none_or(|caps| caps & PERFMON_OR_ADMIN != 0)
}

/// The system's error number somewhere in a chain of causes.
pub fn errno(error: &(dyn StdError + 'static)) -> Option<i32> {
    causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error())
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

/// All texts of a chain of causes.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    // A transparent error repeats the text of its source.
    texts.dedup();
    texts.join(": ")
}

/// The release of the running kernel and its first two numbers, if they can be read.
pub fn kernel() -> Option<(String, (u32, u32))> {
    let name = nix::sys::utsname::uname().ok()?;
    let release = name.release().to_str()?.to_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some((release, version))
}

fn old_kernel() -> Option<String> {
    kernel().filter(|(_, version)| *version < (5, 15)).map(|(release, _)| release)
}
