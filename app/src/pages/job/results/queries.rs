//! All queries of the search, with what was found for each.

use elb_core::text;
use elb_engine::service::ServiceError;
use leptos::prelude::*;

use super::{
    address::{Address, View},
    filters::Pages,
};
use crate::data::PageContext;

/// The view.
pub async fn view(
    context: &PageContext,
    id: &str,
    address: &Address,
    path: &str,
) -> Result<AnyView, ServiceError> {
    let (text, with_hits) = (address.text.clone(), address.with_hits);
    let (offset, limit) = (address.offset(), address.limit());
    let page = context
        .service
        .hits(&context.caller, id, move |index| {
            index.queries(&text, with_hits, offset, limit)
        })
        .await?;
    let rows = page
        .queries
        .into_iter()
        .map(|query| {
            let link = Address {
                view: View::Hits,
                ..address.unfiltered().of_query(query.ordinal)
            }
            .href(path);
            view! {
                <tr>
                    <td class="number" data-label="Number">{text::count(query.ordinal + 1)}</td>
                    <td class="c-title">
                        <a class="row-link" href=link>{query.id}</a>
                        <div class="sub">{query.title}</div>
                    </td>
                    <td class="number" data-label="Letters">
                        {(query.letters > 0).then(|| text::count(query.letters))}
                    </td>
                    <td class="number" data-label="Hits">{text::count(query.hits)}</td>
                    <td class="number" data-label="HSPs">{text::count(query.hsps)}</td>
                </tr>
            }
        })
        .collect_view();
    let nothing =
        (page.filtered == 0).then(|| view! { <p class="sight">"No query passes this filter."</p> });
    let filtered = !address.text.is_empty() || address.with_hits;
    let clear = filtered
        .then(|| view! { <a class="button" href=address.unfiltered().href(path)>"Clear"</a> });
    Ok(view! {
        <form class="filters" method="get" action=format!("{path}#results")>
            <input type="hidden" name="view" value="queries"/>
            <label>
                "Contains"
                <input type="search" name="q" value=address.text.clone() maxlength="200" data-filter=""/>
            </label>
            <label class="check">
                <input type="checkbox" name="with_hits" value="yes" checked=address.with_hits/>
                "with hits only"
            </label>
            <button type="submit">"Filter"</button>
            {clear}
        </form>
        {nothing}
        <table class="queries cards">
            <thead>
                <tr>
                    <th scope="col" class="number">"Number"</th>
                    <th scope="col">"Query"</th>
                    <th scope="col" class="number">"Letters"</th>
                    <th scope="col" class="number">"Hits"</th>
                    <th scope="col" class="number">"HSPs"</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
        <Pages address=address.clone() path=path.to_owned() filtered=page.filtered words=("query", "queries")/>
    }
    .into_any())
}
