//! What this machine's kernel allows.

use aya::programs::ProgramType;
use aya::sys::is_program_supported;

/// The oldest kernel with the BPF timers, tcx links and XDP on veth that ringmon needs.
pub const OLDEST: (u32, u32) = (6, 6);

/// Whether this process may do everything that the lab and the agents do.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The version of the running kernel, if it can be read.
#[must_use]
pub fn version() -> Option<(u32, u32)> {
    parse_version(&std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
}

fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Asks the kernel to load a trivial program of each type that ringmon has.
///
/// # Errors
/// The program's type and the kernel's reason, when it refuses. Nothing stays loaded in either case.
pub fn bpf_refused() -> Result<(), String> {
    for (kind, name) in [(ProgramType::Xdp, "XDP"), (ProgramType::SchedClassifier, "tc")] {
        match is_program_supported(kind) {
            Ok(true) => {}
            Ok(false) => return Err(format!("the kernel has no {name} programs")),
            Err(error) => return Err(format!("the kernel refused a trivial {name} program: {error:?}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn a_release_string_gives_two_numbers() {
        assert_eq!(parse_version("6.18.44-fc-v669\n"), Some((6, 18)));
        assert_eq!(parse_version("6.6-rc1"), Some((6, 6)));
        assert_eq!(parse_version("mystery"), None);
    }
}
