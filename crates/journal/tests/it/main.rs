//! The journal as its users see it, on real files.

#[cfg(test)]
mod archive;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod writing;
