//! What is read from the machine at each scrape: this process, and a file.

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use procfs::WithCurrentSystemInfo as _;
use procfs::process::Process;

/// Anybody may ask for a page, and as often as they like. What the machine says is read at most this often.
const EVERY: Duration = Duration::from_secs(1);

/// When this machine started, in seconds since 1970.
static BOOTED: LazyLock<Option<u64>> = LazyLock::new(|| procfs::boot_time_secs().ok());

/// Held by whoever reads, which may wait for a disk.
static READS: Mutex<()> = Mutex::new(());
/// Held for a moment only.
static NEWEST: Mutex<Option<(Instant, MachineView)>> = Mutex::new(None);

/// What a page shows of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineView {
    /// This process.
    pub process: Option<ProcessView>,
    /// When the certificate in the CA file that ends first does so, in seconds since 1970.
    pub ca_end: Option<i64>,
}

impl MachineView {
    /// Reads it, unless that was just done, or is being done: then it is as it was. May wait for a disk.
    #[must_use]
    pub fn now(ca: Option<&Path>) -> Self {
        let known = *NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
        let as_it_was = known.map(|(_, view)| view).unwrap_or_default();
        if known.is_some_and(|(at, _)| at.elapsed() < EVERY) {
            return as_it_was;
        }
        let _reads = match READS.try_lock() {
            Ok(reads) => reads,
            Err(TryLockError::Poisoned(reads)) => reads.into_inner(),
            Err(TryLockError::WouldBlock) => return as_it_was,
        };
        let view = Self { process: ProcessView::this(), ca_end: ca.and_then(first_end) };
        *NEWEST.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), view));
        view
    }
}

/// This process, as procfs(5) shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessView {
    /// Seconds of processor time.
    pub cpu: f64,
    /// Bytes in memory.
    pub resident: u64,
    /// Bytes of address space.
    pub virtual_memory: u64,
    /// Descriptors that are open.
    pub open_fds: u64,
    /// How many may be open.
    pub max_fds: u64,
    /// Threads.
    pub threads: u64,
    /// When it started, in seconds since 1970.
    pub started: f64,
}

impl ProcessView {
    /// `None`: there is no procfs here.
    #[must_use]
    pub fn this() -> Option<Self> {
        let this = Process::myself().ok()?;
        let stat = this.stat().ok()?;
        let boot = (*BOOTED)?;
        let ticks = to_f64(procfs::ticks_per_second());
        let max = match this.limits().ok()?.max_open_files.soft_limit {
            procfs::process::LimitValue::Value(most) => most,
            procfs::process::LimitValue::Unlimited => u64::MAX,
        };
        Some(Self {
            cpu: to_f64(stat.utime + stat.stime) / ticks,
            resident: stat.rss_bytes().get(),
            virtual_memory: stat.vsize,
            open_fds: this.fd_count().ok()? as u64,
            max_fds: max,
            threads: u64::try_from(stat.num_threads).unwrap_or(0),
            started: to_f64(boot) + to_f64(stat.starttime) / ticks,
        })
    }
}

/// When the certificate in this file that ends first does so, in seconds since 1970. `None`: the file has none that can
/// be read. The file may be replaced at any time, so it is read at each scrape.
#[must_use]
pub fn first_end(file: &Path) -> Option<i64> {
    let text = std::fs::read(file).ok()?;
    let ends = x509_parser::pem::Pem::iter_from_buffer(&text)
        .filter_map(|pem| pem.ok()?.parse_x509().ok().map(|it| it.validity().not_after.timestamp()));
    ends.min()
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
pub(super) fn to_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_threads_and_open_files() {
        let view = ProcessView::this().expect("procfs is there");
        assert!(view.threads >= 1 && view.open_fds >= 3 && view.max_fds >= view.open_fds, "{view:?}");
        assert!(view.resident > 100_000 && view.virtual_memory > view.resident && view.started > 1.7e9, "{view:?}");
    }

    /// Two that scrape at the same moment both get a page with everything on it.
    #[test]
    fn while_somebody_reads_others_get_what_was_read_last() {
        let known = Instant::now().checked_sub(2 * EVERY).expect("the machine runs for some seconds");
        let view = MachineView { ca_end: Some(7), ..MachineView::default() };
        *NEWEST.lock().unwrap() = Some((known, view));
        let reads = READS.lock().unwrap();
        assert_eq!(MachineView::now(None), view);
        drop(reads);
        assert!(MachineView::now(None).process.is_some(), "then it is read again");
    }

    #[test]
    fn the_certificate_that_ends_first_counts() {
        let certificate = |year| {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, [certificate(2040), certificate(2030)].concat()).unwrap();
        assert_eq!(first_end(&file), Some(1_893_456_000));
        std::fs::write(&file, "nothing").unwrap();
        assert_eq!(first_end(&file), None);
        assert_eq!(first_end(&folder.path().join("none")), None);
    }
}
