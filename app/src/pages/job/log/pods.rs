//! The choice of a log: the search's own, or that of a container.

use elb_core::cluster::{PodLogState, PodLogView};
use leptos::prelude::*;

/// The most logs that can be chosen from on the page; all are in the API.
const MOST: usize = 500;

/// The choice; it works without scripts.
#[component]
pub fn PodChoice(id: String, pods: Vec<PodLogView>, chosen: String) -> impl IntoView {
    let (pods, left_out) = listed(pods, &chosen);
    let options = pods.into_iter().map(|log| {
        let selected = log.log == chosen;
        let words = words(&log);
        view! {
            <option value=log.log selected=selected>
                {words}
            </option>
        }
    });
    let more = (left_out > 0).then(|| {
        let all = format!("/api/blast/jobs/{id}/pods");
        view! { <span class="quiet">{format!("{left_out} more are ")} <a href=all>"listed as JSON"</a></span> }
    });
    view! {
        <form class="log-tools" method="get" action=format!("/jobs/{id}#logs")>
            <label>
                "Log of"
                <select name="log" id="log-of">
                    <option value="">"the search"</option>
                    {options.collect_view()}
                </select>
            </label>
            <button type="submit" class="small">"Show"</button>
            {more}
        </form>
    }
}

/// Those that can be chosen, in their order, and how many others there are. Where there are too many, those that
/// have ended well are left out first.
fn listed(pods: Vec<PodLogView>, chosen: &str) -> (Vec<PodLogView>, usize) {
    let rank = |log: &PodLogView| match log.state {
        _ if log.log == chosen => 0,
        PodLogState::Running | PodLogState::Lost => 1,
        PodLogState::Ended if log.exit_code != Some(0) => 1,
        PodLogState::Ended | PodLogState::Waiting => 2,
    };
    let left_out = pods.len().saturating_sub(MOST);
    let mut ranked: Vec<(usize, PodLogView)> = pods.into_iter().enumerate().collect();
    ranked.sort_by_key(|(at, log)| (rank(log), *at));
    ranked.truncate(MOST);
    ranked.sort_by_key(|(at, _)| *at);
    (ranked.into_iter().map(|(_, log)| log).collect(), left_out)
}

fn words(log: &PodLogView) -> String {
    let batch = log
        .batch
        .map_or_else(String::new, |batch| format!("batch {batch}, "));
    let run = if log.restart > 0 {
        format!(", start {}", log.restart.saturating_add(1))
    } else {
        String::new()
    };
    let state = match (log.state, log.exit_code) {
        (PodLogState::Ended, Some(0)) => "done".to_owned(),
        (PodLogState::Ended, Some(code)) => match &log.reason {
            Some(reason) if reason != "Error" => format!("ended with {code}, {reason}"),
            _ => format!("ended with {code}"),
        },
        (PodLogState::Lost, _) => "could not be kept".to_owned(),
        (state, _) => state.as_str().to_owned(),
    };
    let (pod, container) = (&log.pod, &log.container);
    format!("{batch}{container} of {pod}{run}: {state}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(at: usize, state: PodLogState, exit_code: Option<i32>) -> PodLogView {
        PodLogView {
            log: format!("p-{at}/blast/0"),
            pod: format!("p-{at}"),
            container: "blast".to_owned(),
            restart: 0,
            init: false,
            batch: None,
            state,
            exit_code,
            reason: None,
            started_at: None,
            finished_at: None,
            kept: true,
            bytes: None,
            left_out: 0,
        }
    }

    #[test]
    fn of_too_many_those_that_ended_well_are_left_out_and_the_chosen_one_is_not() {
        let mut logs: Vec<PodLogView> = (0..600)
            .map(|at| log(at, PodLogState::Ended, Some(0)))
            .collect();
        logs[598] = log(598, PodLogState::Ended, Some(137));
        logs[599] = log(599, PodLogState::Lost, None);
        let (kept, left_out) = listed(logs, "p-597/blast/0");
        assert_eq!((kept.len(), left_out), (500, 100));
        let last: Vec<&str> = kept[497..].iter().map(|log| log.pod.as_str()).collect();
        assert_eq!(last, ["p-597", "p-598", "p-599"]);
        assert_eq!(kept[0].pod, "p-0");
    }

    #[test]
    fn each_is_told_with_how_it_ended() {
        let ended = |code| PodLogView {
            batch: Some(3),
            restart: 1,
            reason: Some("OOMKilled".to_owned()),
            ..log(1, PodLogState::Ended, Some(code))
        };
        assert_eq!(
            words(&ended(137)),
            "batch 3, blast of p-1, start 2: ended with 137, OOMKilled"
        );
        assert_eq!(words(&ended(0)), "batch 3, blast of p-1, start 2: done");
        let unknown = log(1, PodLogState::Ended, None);
        assert_eq!(words(&unknown), "blast of p-1: ended");
        let lost = log(1, PodLogState::Lost, None);
        assert_eq!(words(&lost), "blast of p-1: could not be kept");
    }
}
