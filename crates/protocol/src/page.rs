//! Lists: items and where the next ones start.

use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use model::Refusal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Given back as the list's cursor parameter, it continues the list; none at its end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that is always whole.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        ObjectBuilder::new()
            .description(Some(
                "One page of a list; `next`, given back as its cursor parameter, continues it.",
            ))
            .property("items", items)
            .required("items")
            .property("next", Option::<String>::schema())
            .into()
    }
}

/// Named after its items, as in `SessionPage`: one name for all pages would be one schema for all.
impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// The number of items to give: the default without a wish, and never more than [`PAGE_MAX`].
pub fn page_size(wish: Option<usize>) -> Result<usize, Refusal> {
    match wish {
        None => Ok(PAGE_DEFAULT),
        Some(n) if (1..=PAGE_MAX).contains(&n) => Ok(n),
        Some(n) => {
            let message = format!("limit {n} is not between 1 and {PAGE_MAX}");
            Err(Refusal::invalid("limit_out_of_range", message).hint("ask for fewer, and go on from `next`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_never_larger_than_the_limit() {
        assert_eq!(page_size(None), Ok(PAGE_DEFAULT));
        assert_eq!(page_size(Some(PAGE_MAX)), Ok(PAGE_MAX));
        for bad in [0, PAGE_MAX + 1, usize::MAX] {
            assert_eq!(page_size(Some(bad)).unwrap_err().code, "limit_out_of_range");
        }
    }
}
