//! The style of a report: figures, cases and print.

use crate::cli::render::page;
use crate::cli::render::paths::{html, svg};

/// Decisions differ by their words first, then by their pattern, and only then by colour.
const STYLE: &str = "\
:root{--block:#b3161b;--review:#8a6100;--allow:#5b6472}\
@media screen and (prefers-color-scheme:dark){\
:root{--block:#ff7b7b;--review:#e5bd54;--allow:#9aa4b2}}\
body{max-width:62rem}\
h1{font-size:1.6rem}h2{font-size:1.25rem;margin:2.6rem 0 .6rem;padding-top:.6rem;\
border-top:2px solid var(--ink)}\
p{margin:.5rem 0;max-width:48rem}p.warning{max-width:none}a{color:inherit;text-underline-offset:.15em}\
bdi{overflow-wrap:anywhere}caption{text-align:left;font-weight:600;padding:.2rem 0}\
.sub{margin:0 0 1rem}.num{text-align:right;white-space:nowrap;\
font-variant-numeric:tabular-nums}\
thead th{border-bottom:1px solid var(--dim)}\
.facts td{overflow-wrap:anywhere}\
.totals{display:grid;grid-template-columns:repeat(4,1fr);margin:1.2rem 0;padding:0;\
border:1px solid var(--line);border-radius:6px}\
.totals div{padding:.6rem 1rem;border-left:1px solid var(--line)}.totals div:first-child{border:0}\
.totals dt{font-size:.8rem;font-weight:600;letter-spacing:.04em}\
.totals dd{margin:0;font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums}\
.totals small{display:block;font-size:.8rem;color:var(--dim)}\
.pairs{display:grid;grid-template-columns:1fr 1fr;gap:1.2rem 2.2rem;align-items:start}\
.pairs>*{min-width:0}.chart{margin:0 0 1.4rem}tbody th{font-weight:400}.facts th{font-weight:600}\
caption small{font-size:.85rem;font-weight:400;color:var(--dim);margin-left:.4rem}\
td.bar{width:38%}tbody td.bar{padding:.42rem .6rem;vertical-align:top}\
.chart thead td{border-bottom:1px solid var(--dim)}\
.chart th:first-child{min-width:7rem}.chart .num{width:4.2rem}\
svg.bar{display:block;width:100%;overflow:visible}svg.swatch{vertical-align:-.12em;margin-right:.35em}\
.key{font-size:.87rem}.key span{margin-right:1.4rem;white-space:nowrap}\
.f-block{fill:var(--block)}.f-review{fill:url(#hatch);stroke:var(--review)}\
.f-allow{fill:var(--paper);stroke:var(--allow)}\
.p-review{stroke:var(--review);stroke-width:2}\
svg.patterns{position:absolute}\
.tag{font-weight:700;letter-spacing:.03em}.t-block{color:var(--bad)}.t-review{color:var(--doubt)}\
article{margin:1.1rem 0;padding:.9rem 1.1rem .7rem;border:1px solid var(--line);\
border-left:4px solid var(--allow);border-radius:6px}\
article.c-block{border-left-color:var(--block)}\
article.c-review{border-left-style:double;border-left-width:6px;border-left-color:var(--review)}\
article h3{margin:0;line-height:1.35}article p{max-width:none}\
dl.about{display:grid;grid-template-columns:repeat(2,7.4em minmax(0,1fr));gap:.15rem .8rem;\
margin:.5rem 0;font-size:.87rem}.about .own{grid-column:1}\
.about dt{color:var(--dim)}.about dd{margin:0;overflow-wrap:anywhere}.about .all{grid-column:2/-1}\
.sub+.totals{margin-top:.8rem}a.up{font-size:.75rem;font-weight:400;margin-left:.6rem;color:var(--dim)}\
nav ol{margin:.3rem 0;padding-left:1.6rem}nav h2{margin-top:1.6rem}nav ol>li{margin:.2rem 0}\
ul.jumps{list-style:none;margin:.2rem 0 .5rem;padding:0;display:grid;\
grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:.1rem 1rem;font-size:.87rem}\
.reason{margin:.3rem 0}\
.about summary{margin:.1rem 0}\
dl.sign{display:grid;grid-template-columns:2fr 2fr 1.2fr 2fr;gap:0 1.2rem;margin:.8rem 0 .4rem}\
.sign dt{font-size:.75rem;color:var(--dim)}\
.sign dd{margin:0;height:1.5rem;border-bottom:1px solid var(--ink)}\
.sign.remarks{grid-template-columns:1fr}.remarks dd{height:4.5rem}footer{margin-top:2rem;font-size:.87rem}\
summary{cursor:pointer;font-weight:600;font-size:.87rem;margin:.4rem 0}\
details p{font-size:.87rem}\
:focus-visible{outline:2px solid var(--good);outline-offset:2px}\
@media print,(min-width:44.01rem){.hops th,.hops td{padding-left:.4rem;padding-right:.4rem}\
.hops th:nth-child(4){width:11%}.hops th:nth-child(5){width:9.6rem}.hops th:nth-child(6){width:27%}}\
.overview td:nth-child(3){min-width:10.8rem}td.id{min-width:5.5rem}td.said{min-width:12rem}td.day{white-space:nowrap}\
@media screen and (max-width:44rem){body{margin:1rem auto;padding:0 .8rem}\
.totals{grid-template-columns:1fr 1fr}.totals div:nth-child(3){border-left:0}\
.pairs{grid-template-columns:minmax(0,1fr)}\
dl.about{grid-template-columns:7.4em minmax(0,1fr)}\
dl.sign{grid-template-columns:1fr 1fr;gap:.5rem 1rem}.sign.remarks{grid-template-columns:1fr}\
article{padding:.7rem .7rem .5rem}.overview :is(th,td):is(:nth-child(2),:nth-child(5),:nth-child(6),:nth-child(8)){display:none}\
.rows thead,.rows td.num{display:none}.rows tr{display:grid;grid-template-columns:2.4rem minmax(0,1fr);\
padding:.3rem 0;border-bottom:1px solid var(--line)}.rows th,.rows td{border:0;padding:.05rem .3rem}\
.rows tbody th{grid-row:1/span 5}.rows td{grid-column:2}\
.overview td:nth-child(3){min-width:0}.overview th,.overview td{padding-left:.3rem;padding-right:.3rem}\
td.bar{width:24%}.chart th,.chart td{padding-left:.3rem;padding-right:.3rem}\
.chart .num{width:auto}}\
@media print{h2{margin-top:1.4rem}a.up,ul.jumps,nav details{display:none}.chart .num{width:2.6rem}td.bar{width:30%}\
article,.wide,.sign,.pairs>*,.totals,.facts{break-inside:avoid}.wide{overflow:visible}\
article{margin:.7rem 0;padding:.5rem .8rem .4rem}article p{margin:.2rem 0}\
.about{margin:.3rem 0}.reason{font-size:9.5pt}.sign{break-before:avoid}.sign{margin:.4rem 0 .3rem}article .sign dd{height:1.3rem}\
thead{display:table-header-group}a{text-decoration:none}\
summary{list-style:none}details::details-content{content-visibility:visible;display:block}\
table,dl.about,p.key,summary,details p{font-size:8.5pt}caption small{font-size:8pt}table.fine,table.hops{font-size:7.5pt}\
.overview td:nth-child(3){min-width:8.4rem}.hops th,.hops td{padding:.2rem .3rem}.hops th:nth-child(5){width:7rem}}";

/// The style of a report; `running` stands at the head of each printed page.
pub fn style(running: &str) -> String {
    let paper = format!(
        "@page{{size:A4;margin:18mm 12mm 16mm;\
         @top-left{{content:\"{}\";font:8pt Arial,sans-serif}}\
         @bottom-right{{content:\"page \" counter(page) \" of \" counter(pages);\
         font:8pt Arial,sans-serif}}}}",
        page::css(running)
    );
    [page::STYLE, html::STYLE, svg::STYLE, STYLE, &paper].concat()
}
