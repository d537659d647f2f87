//! The external plane of the settings.

use std::sync::Arc;

use elb_engine::external::ExternalPlane;

use crate::settings::Settings;

/// The external plane, if the settings name one. Waits for no answer.
#[cfg(feature = "kubernetes")]
pub(super) fn plane(settings: &Settings) -> Result<Option<Arc<dyn ExternalPlane>>, String> {
    use elb_engine::{
        clock::SystemClock,
        external::{OpenApiPlane, Pace},
    };

    let Some(named) = &settings.external_plane else {
        return Ok(None);
    };
    let (token, clock) = (named.token.clone(), Arc::new(SystemClock));
    let plane = OpenApiPlane::start(&named.base, token, Pace::default(), clock)?;
    Ok(Some(plane))
}

/// Without the feature the settings refuse to name one.
#[cfg(not(feature = "kubernetes"))]
pub(super) const fn plane(_settings: &Settings) -> Result<Option<Arc<dyn ExternalPlane>>, String> {
    Ok(None)
}
