//! The contract as files: the generated documents are fresh, and what they say is true.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod resources;
