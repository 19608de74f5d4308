//! What a source was seen to send.

use super::words::{self, line, or_dash};
use crate::cli::text::{Colour, Style, escape};
use crate::grpc::v1;

/// Each URL, what it sent and how that differs from what is in force.
pub fn check(response: &v1::CheckSourceResponse, style: Style) -> String {
    let list = response.list.clone().unwrap_or_default();
    let id = or_dash(&list.list_id);
    let mut text = match list.version {
        0 => format!("{id}: not loaded\n"),
        version => {
            let version = words::version(list.number_on_list, version);
            let published = escape(words::day(&list.published_on)).into_owned();
            format!("{id}: version {version} is in force, published {published}\n")
        }
    };
    if !response.user_agent.is_empty() {
        line(&mut text, 2, "agent", &escape(&response.user_agent));
    }
    for check in &response.checks {
        text.push_str(&one(check, style));
    }
    if let Some(probe) = &response.probe {
        line(&mut text, 2, "latest", &escape(&probe.url));
        answered(&mut text, probe.answer.as_ref());
        match (probe.error.as_str(), probe.publication.as_str()) {
            ("", "") => line(&mut text, 4, "publication", "not named; a change is noticed"),
            ("", publication) => line(&mut text, 4, "publication", &escape(publication)),
            (error, _) => {
                line(&mut text, 4, "failed", &style.paint(Colour::Doubtful, &escape(error)));
                line(&mut text, 4, "", "the list is read at its interval alone");
            }
        }
    }
    text.push_str("Nothing was published.\n");
    text
}

fn one(check: &v1::SourceCheck, style: Style) -> String {
    let mut text = String::new();
    line(&mut text, 2, "source", &escape(&check.source));
    answered(&mut text, check.answer.as_ref());
    let bytes = check.answer.as_ref().map_or(0, |answer| answer.bytes);
    let took = format!(
        "{bytes} bytes in {}.{:03} s",
        check.milliseconds / 1_000,
        check.milliseconds % 1_000
    );
    line(&mut text, 4, "sent", &took);
    if !check.format.is_empty() {
        line(&mut text, 4, "taken for", &escape(&check.format));
    }
    if !check.error.is_empty() {
        let error = format!("{} ({})", escape(&check.error), or_dash(&check.cause));
        line(&mut text, 4, "failed", &style.paint(Colour::Bad, &error));
        return text;
    }
    let holds = format!("{} rows of {} parties", check.rows, check.parties);
    line(&mut text, 4, "holds", &holds);
    line(&mut text, 4, "published", &escape(words::day(&check.published_on)));
    let difference = check.difference.unwrap_or_default();
    let differs = if difference == v1::SourceDifference::default() {
        "in nothing from what is in force".to_owned()
    } else {
        format!(
            "from what is in force: {} added, {} updated, {} removed, {} removals would wait",
            difference.added, difference.updated, difference.removed, difference.removals_pending
        )
    };
    line(&mut text, 4, "differs", &differs);
    text
}

fn answered(text: &mut String, answer: Option<&v1::HttpAnswer>) {
    let Some(answer) = answer.filter(|answer| answer.status != 0) else { return };
    if !answer.redirect_hosts.is_empty() {
        line(text, 4, "redirected", &escape(&answer.redirect_hosts.join(", ")));
    }
    let mut status = format!("status {}, {}", answer.status, or_dash(&answer.content_type));
    if matches!(answer.status, 200 | 206) {
        status.push_str(if answer.has_validator {
            ", need not be sent again while unchanged"
        } else {
            ", is sent whole each time"
        });
    }
    line(text, 4, "answer", &status);
}
