//! Whether this machine can run agents at all. This is checked before anything is installed or built.

use ringmon_tests::kernel;

use crate::refusal::Refusal;

/// # Errors
/// [`Refusal`] without root (77), on an old kernel or where BPF is refused (69).
pub fn check() -> Result<(), Refusal> {
    let unavailable = |text: String| Err(Refusal::Unavailable(text));
    if !kernel::is_root() {
        return Err(Refusal::NotPermitted(
            "network namespaces and BPF programs need root: run it again with sudo, or as root".to_owned(),
        ));
    }
    let (major, minor) = kernel::OLDEST;
    match kernel::version() {
        Some(version) if version < kernel::OLDEST => {
            return unavailable(format!(
                "this kernel is {}.{}, and ringmon needs Linux {major}.{minor} or newer: boot a newer one",
                version.0, version.1
            ));
        }
        Some(_) => {}
        None => return unavailable("the kernel's version cannot be read: is /proc mounted?".to_owned()),
    }
    kernel::bpf_refused().or_else(|why| {
        unavailable(format!("{why}: run this on a machine or virtual machine (not a container) whose kernel has BPF"))
    })
}
