//! The contract of the HTTP face, over real sockets, with a real engine on a data root of its own.

#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod config;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod house;
mod mcp;
#[cfg(test)]
mod operations;
mod repeated;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod wire;
