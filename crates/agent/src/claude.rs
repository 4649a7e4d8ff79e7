pub(crate) mod transcript;
