//! One line of a job's log, drawn by the server for the page and by the browser for what follows.

use elb_core::view::{LogLevel, LogLine};
use leptos::prelude::*;

/// A line with its number, time and text.
#[component]
pub fn LogRow(
    /// The line.
    line: LogLine,
) -> impl IntoView {
    let level = match line.level {
        LogLevel::Warning => Some("warning: "),
        LogLevel::Error => Some("error: "),
        LogLevel::Info | LogLevel::Command => None,
    };
    // The clock island puts whole times into the reader's zone; here the time of day does.
    let time = line.at.on_screen();
    let time = time.split(' ').nth(1).unwrap_or_default().to_owned();
    view! {
        <li class=line.level.as_str() value=line.number.to_string()>
            <time datetime=line.at.rfc3339() title=line.at.on_screen()>{time}</time>
            " "
            <span class="text">{level} {line.text}</span>
        </li>
    }
}
