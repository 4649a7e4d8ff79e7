//! Schemas of the model's plain enums. The words come from the enums themselves, so that the
//! document cannot say another word than the wire.

use crate::{config, cost};
use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema};
use utoipa::{PartialSchema, ToSchema};

fn words<T: Serialize>(values: &[T]) -> RefOr<Schema> {
    let words: Vec<serde_json::Value> = values.iter().filter_map(|v| serde_json::to_value(v).ok()).collect();
    ObjectBuilder::new().schema_type(schema::SchemaType::new(Type::String)).enum_values(Some(words)).into()
}

macro_rules! words {
    ($home:ident: $($name:ident),+ $(,)?) => {$(
        /// Schema of the enum of the same name.
        #[derive(Debug, Serialize)]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                words(&$home::$name::ALL)
            }
        }

        impl ToSchema for $name {}
    )+};
}

words!(cost: CostBy);
words!(config: Compactor, PermissionPreset, Titles, Unattended);
words!(
    model:
    ArtifactKind,
    BudgetKind,
    BudgetUnit,
    CallbackMode,
    CheckpointKind, ConflictKind, ConflictPhase,
    CostSource,
    Driver,
    FiringState,
    HistoryBy,
    Isolation,
    LockMode,
    LockPhase,
    MergeMode,
    MergeState,
    MergeStyle,
    Namer,
    OnFailed,
    OutlineState,
    ParticipantStatus,
    PermissionEffect,
    PermissionScope,
    PlanState,
    RawReason,
    RegistrationPhase,
    RetryOn,
    Role,
    ScriptKind,
    ScriptOutcome,
    SessionKind,
    SessionState,
    TaskKind,
    TaskState,
    ToolCategory,
    TriggerAction,
    Vendor,
    Vitality,
    ZoneColour,
);
