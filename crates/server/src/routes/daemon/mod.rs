mod create_launch;
mod doctor;
mod health;
mod openapi;
mod reload_config;
mod shut_down;
mod status;
mod use_launch;
mod version;

use crate::router::Binder;

pub(super) fn bind(binder: Binder) -> Binder {
    binder
        .bind("health", health::handle)
        .bind("get_version", version::handle)
        .bind("get_status", status::handle)
        .bind("doctor", doctor::handle)
        .bind("reload_config", reload_config::handle)
        .bind("create_launch", create_launch::handle)
        .bind("use_launch", use_launch::handle)
        .bind("shut_down", shut_down::handle)
        .bind("openapi", openapi::handle)
}
