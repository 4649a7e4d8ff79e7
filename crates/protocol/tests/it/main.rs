//! The contract as files: the generated documents are fresh, and what they say is true.

mod documents;
mod json_schema;
mod resources;
