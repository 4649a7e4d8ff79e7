//! Every vendor's dialect over real HTTP, against the scripted model server.

#[cfg(test)]
mod cancel;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod failure;
#[cfg(test)]
mod nonsense;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod talk;
