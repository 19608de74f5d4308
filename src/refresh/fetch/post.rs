//! Sends a short text by POST.

use std::time::Duration;

/// From the beginning to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends `body` to `url`, and returns why it was not taken. Redirects are refused. Blocks.
#[expect(clippy::wildcard_enum_match_arm, reason = "over the errors of another crate")]
pub fn post_text(url: &str, body: &str) -> Result<(), String> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(TIMEOUT));
    let agent: ureq::Agent = config.build().into();
    let request = agent.post(url).content_type("text/plain; charset=utf-8");
    // The error of a URL with credentials would repeat them.
    let answer = request.send(body).map_err(|error| match error {
        ureq::Error::BadUri(_) => "the URL cannot be used".to_owned(),
        error => error.to_string(),
    })?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("answered {status}")) }
}
