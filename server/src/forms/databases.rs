//! The forms of the page of databases.

use axum::{
    Form, Json,
    extract::{Multipart, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use elb_app::data::Returned;
use elb_core::{molecule::Molecule, search::OptionProblem};
use elb_engine::databases::{DatabaseError, UploadRequest};
use serde::Deserialize;

use super::{
    multipart::{MAX_FIELDS, drain, next, small, stream},
    wants_json,
};
use crate::{error::ApiError, pages, state::AppState};

const PAGE: &str = "/databases";

/// Makes a database of an uploaded file.
pub async fn upload(
    State(state): State<AppState>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Response {
    let json = wants_json(&headers);
    let mut fields = Vec::new();
    let outcome = receive(&state, &mut form, &mut fields).await;
    if outcome.is_err() {
        drain(&mut form, state.page_settings.max_database_bytes).await;
    }
    match outcome {
        Ok(id) if json => (
            StatusCode::ACCEPTED,
            Json(serde_json::json!({ "build": id, "location": PAGE })),
        )
            .into_response(),
        Ok(_) => Redirect::to(PAGE).into_response(),
        Err(mut error) => {
            if error.problems.is_empty() {
                error
                    .problems
                    .push(OptionProblem::new("file", error.message.clone()));
            }
            if json {
                return error.into_response();
            }
            let status = error.status;
            let returned = Returned {
                fields,
                problems: error.problems,
                ..Returned::default()
            };
            pages::page_again(&state, PAGE, status, returned).await
        }
    }
}

async fn receive(
    state: &AppState,
    form: &mut Multipart,
    fields: &mut Vec<(String, String)>,
) -> Result<String, ApiError> {
    while let Some(field) = next(form).await? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let request = request_of(fields)?;
            return state
                .service
                .catalogue()
                .upload(request, stream(field))
                .await
                .map_err(refused);
        }
        if fields.len() == MAX_FIELDS {
            return Err(ApiError::bad_request("The form has too many fields."));
        }
        fields.push((name.clone(), small(&name, field).await?));
    }
    Err(ApiError::invalid(vec![OptionProblem::new(
        "file",
        "Choose a FASTA file.",
    )]))
}

fn refused(error: DatabaseError) -> ApiError {
    match error {
        DatabaseError::Refused(message) => {
            ApiError::invalid(vec![OptionProblem::new("file", message)])
        }
        other => other.into(),
    }
}

/// Name, title and molecule, which come before the file so that it can be streamed.
fn request_of(fields: &[(String, String)]) -> Result<UploadRequest, ApiError> {
    let value = |name: &str| {
        let found = fields.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    let (Some(name), Some(title), Some(molecule)) =
        (value("name"), value("title"), value("molecule"))
    else {
        let message = "name, title and molecule must come before the file.";
        return Err(ApiError::bad_request(message));
    };
    let mut problems = Vec::new();
    if let Err(why) = elb_core::database::check_name(&name) {
        problems.push(OptionProblem::new("name", why));
    }
    if let Err(why) = elb_core::database::check_title(&title) {
        problems.push(OptionProblem::new("title", why));
    }
    let Some(molecule) = Molecule::parse(&molecule) else {
        problems.push(OptionProblem::new(
            "molecule",
            "The molecule must be nucleotide or protein.",
        ));
        return Err(ApiError::invalid(problems));
    };
    if problems.is_empty() {
        Ok(UploadRequest {
            name,
            title,
            molecule,
        })
    } else {
        Err(ApiError::invalid(problems))
    }
}

/// Which database.
#[derive(Debug, Deserialize)]
pub struct Named {
    name: String,
}

/// Deletes an uploaded database.
pub async fn delete(
    State(state): State<AppState>,
    Form(named): Form<Named>,
) -> Result<Redirect, ApiError> {
    state.service.catalogue().delete(&named.name).await?;
    Ok(Redirect::to(PAGE))
}
