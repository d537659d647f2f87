//! Task and options of the search form, drawn from the option table.
//!
//! Knows no option by name but the two that depend on the database. What a program does not have is
//! there, hidden and not sent: scripts show it when the program changes.

use elb_core::{
    database::Database,
    search::{
        Matrix, OPTIONS, OptionDescriptor, Program, SearchSpec,
        gencode::GENETIC_CODES,
        scores::gap_pairs,
        table::{Control, Group},
    },
};
use leptos::prelude::*;

use super::source::Filled;

/// Task and options, in groups.
#[component]
pub fn OptionFields(spec: SearchSpec, filled: Filled, databases: Vec<Database>) -> impl IntoView {
    let has_taxids = databases
        .iter()
        .any(|database| database.name == spec.database && database.has_taxids);
    let fields = |group: Group| {
        let options = OPTIONS.iter().filter(move |option| option.group == group);
        options
            .map(|option| field(option, &spec, &filled, has_taxids))
            .collect_view()
    };
    let folded = |group: Group, title: &'static str| {
        let set = OPTIONS
            .iter()
            .filter(|option| option.group == group)
            .any(|option| {
                !filled.value(option.key).is_empty()
                    || filled
                        .problems
                        .iter()
                        .any(|problem| problem.field == option.key)
            });
        view! {
            <details class="group" open=set>
                <summary>{title}</summary>
                <div class="fields">{fields(group)}</div>
                {(group == Group::Scoring).then(|| view! { <GapPairs spec=spec.clone()/> })}
            </details>
        }
    };
    view! {
        <div class="fields">
            <TaskChoice spec=spec.clone() filled=filled.clone()/>
            {fields(Group::Common)}
        </div>
        {folded(Group::Filtering, "Filtering and masking")}
        {folded(Group::Scoring, "Scoring and statistics")}
        {folded(Group::Restriction, "Restrictions")}
    }
}

/// The gap costs to choose from beside the scores that are chosen.
#[component]
fn GapPairs(spec: SearchSpec) -> impl IntoView {
    view! {
        <p class="hint">
            "Gap costs (opening/extension) that BLAST+ supports here: "
            <span id="gap-pairs">{gap_pairs(&spec)}</span>
        </p>
    }
}

#[component]
fn TaskChoice(spec: SearchSpec, filled: Filled) -> impl IntoView {
    let own = Program::ALL
        .into_iter()
        .flat_map(|program| program.tasks().iter().map(move |task| (program, *task)));
    let options = own.map(|(program, task)| {
        let there = program == spec.program;
        let words = format!("{} · {}", task.label(), task.hint());
        view! {
            <option
                value=task.as_str()
                selected=there && spec.task() == Some(task)
                data-program=program.as_str()
                hidden=!there
                disabled=!there
            >
                {words}
            </option>
        }
    });
    let none = spec.program.tasks().is_empty();
    view! {
        <div class="field wide" id="field-task" hidden=none>
            <label for="task">"Task"</label>
            <select id="task" name="task" disabled=none>
                {options.collect_view()}
            </select>
            <p class="hint">"How similar the sequences are expected to be; it sets the defaults below."</p>
            <super::FieldProblem field="task" filled=filled/>
        </div>
    }
}

fn field(
    option: &'static OptionDescriptor,
    spec: &SearchSpec,
    filled: &Filled,
    has_taxids: bool,
) -> AnyView {
    let taxa = matches!(option.key, "taxids" | "negative_taxids");
    let there = option.is_for(spec.program) && (has_taxids || !taxa);
    let programs: Vec<&str> = option
        .programs
        .iter()
        .map(|program| program.as_str())
        .collect();
    let id = format!("option-{}", option.key);
    let (program, task) = (spec.program, spec.task());
    let value = filled.value(option.key).to_owned();
    let default = option.default_beside(program, task, &spec.options);
    let hint = option.hint_beside(program, task, &spec.options);
    let control = control(option, id.clone(), value, default, there);
    let key = option.key;
    view! {
        <div class="field" data-programs=programs.join(" ") data-needs-taxids=taxa.then_some("") hidden=!there>
            <label for=id>{option.label}</label>
            {control}
            <p class="hint">
                {option.help} " " <span class="range" id=format!("hint-{key}")>{hint}</span>
            </p>
            <super::FieldProblem field=key filled=filled.clone()/>
        </div>
    }
    .into_any()
}

fn control(
    option: &'static OptionDescriptor,
    id: String,
    value: String,
    default: String,
    there: bool,
) -> AnyView {
    let choices: Vec<(String, String)> = match option.control {
        Control::Text => {
            return view! {
                <input id=id name=option.key value=value placeholder=default disabled=!there autocomplete="off" spellcheck="false"/>
            }
            .into_any();
        }
        Control::Choice(choices) => choices
            .iter()
            .map(|(value, label)| ((*value).to_owned(), (*label).to_owned()))
            .collect(),
        Control::GeneticCode => GENETIC_CODES
            .iter()
            .map(|(code, name)| (code.to_string(), format!("{code} {name}")))
            .collect(),
        Control::Matrix => Matrix::ALL
            .iter()
            .map(|matrix| (matrix.as_str().to_owned(), matrix.as_str().to_owned()))
            .collect(),
    };
    // A value that is none of the choices, such as own parameters of a filter, is kept as it is.
    let known = value.is_empty() || choices.iter().any(|(choice, _)| *choice == value);
    let own =
        (!known).then(|| view! { <option value=value.clone() selected>{value.clone()}</option> });
    let options = choices.iter().map(|(choice, label)| {
        view! { <option value=choice.clone() selected=*choice == value>{label.clone()}</option> }
    }).collect_view();
    view! {
        <select id=id name=option.key disabled=!there>
            <option value="">"default"</option>
            {own}
            {options}
        </select>
    }
    .into_any()
}
