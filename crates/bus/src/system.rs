//! The one place that asks the operating system for the time, for random bytes, for the boot it is
//! in and for the start time of a process. Everything else is handed a `Clock` and an `Entropy`.

use model::{Clock, Entropy, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::time::Duration;

/// Reads the machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let wall = clock_gettime(ClockId::Realtime);
        Timestamp::from_millis(wall.tv_sec.saturating_mul(1000).saturating_add(wall.tv_nsec / 1_000_000))
    }

    fn uptime(&self) -> Duration {
        // Linux stops CLOCK_MONOTONIC while the machine sleeps, and a lease must run out in its sleep.
        #[cfg(target_os = "linux")]
        let read = clock_gettime(ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let read = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(read.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(read.tv_nsec).unwrap_or(0);
        Duration::new(seconds, nanos)
    }
}

/// Reads the machine's random number generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the kernel for random bytes")]
    fn fill(&self, buffer: &mut [u8]) {
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                // A kernel without random bytes cannot make a token or an id: going on would be worse.
                Err(error) => panic!("the kernel gives no random bytes: {error}"),
            }
        }
    }
}

/// Names the present boot of this machine. Leases and process ids mean nothing in another one.
pub fn boot_id() -> io::Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned())
}

/// What this host calls itself; empty when it has no name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// When a process started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`); with the pid
/// it names a process beyond reuse of the number. None when there is no such process or it is a zombie.
pub fn process_start(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in parentheses and may hold anything, parentheses too.
    let fields = stat.rsplit_once(')')?.1;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_never_goes_back_and_the_wall_clock_is_set() {
        let clock = SystemClock;
        let before = clock.uptime();
        assert!(clock.uptime() >= before);
        assert!(clock.now() > Timestamp::from_millis(1_700_000_000_000));
    }

    #[test]
    fn random_bytes_differ() {
        let (mut a, mut b) = ([0u8; 32], [0u8; 32]);
        SystemEntropy.fill(&mut a);
        SystemEntropy.fill(&mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn our_own_process_has_a_start_time_and_no_process_has_pid_zero() {
        let pid = std::process::id();
        assert!(process_start(pid).is_some_and(|start| start > 0));
        assert_eq!(process_start(pid), process_start(pid));
        assert_eq!(process_start(0), None);
    }

    #[test]
    fn the_boot_has_a_name() {
        assert_eq!(boot_id().unwrap().len(), 36);
    }
}
