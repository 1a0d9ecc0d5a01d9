"""The style of the quality report."""

# Real and synthetic have the colours of `plotting`, for people with any colour vision (Okabe & Ito 2008).
STYLE = """
:root { --ink: #1f2328; --soft: #59636e; --line: #d5dae0; --back: #ffffff; --card: #f8f9fa;
  --real: #595959; --synthetic: #e69f00; --good: #0072b2; --fair: #f0e442; --poor: #b34700; --link: #005a8d; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --soft: #a2abb4; --line: #3b424a; --back: #16191d; --card: #1e2227;
    --real: #c8ccd0; --link: #6cb8e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 75rem; padding: 1.5rem 1rem 4rem; background: var(--back);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .3rem; }
p, dd { max-width: 46rem; margin: 0 0 .8rem; }
small { color: var(--soft); font-size: .85rem; font-weight: normal; }
a { color: var(--link); margin-right: 1rem; white-space: nowrap; display: inline-block; }
dt { font-weight: 600; } dd { margin-left: 0; }
summary { cursor: pointer; margin: 1rem 0; color: var(--link); }
.note { border-left: 4px solid var(--poor); padding: .2rem .8rem; }
.chip { display: inline-block; padding: 0 .55rem; border-radius: 1rem; border: 1px solid transparent;
  font-size: .85rem; font-weight: 600; line-height: 1.4rem; white-space: nowrap; }
.chip.good { background: var(--good); color: #fff; } .chip.fair { background: var(--fair); color: #1f2328; }
.chip.poor { background: var(--poor); color: #fff; } .chip.unclear { border-color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
th, td { text-align: left; padding: .45rem .8rem .45rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; font-weight: normal; }
thead th { color: var(--soft); font-size: .85rem; }
.figures tbody th, .list tbody th { font-weight: 600; overflow-wrap: anywhere; unicode-bidi: isolate; }
.figures small { display: block; }
.figures td { font-variant-numeric: tabular-nums; }
.figures .said { width: 32%; font-size: .9rem; }
.scale { display: block; width: 12.5rem; max-width: 100%; height: 1rem; }
.scale .good { fill: var(--good); } .scale .fair { fill: var(--fair); } .scale .poor { fill: var(--poor); }
.scale circle { fill: var(--ink); stroke: var(--back); }
.list td, .list th { font-size: .9rem; }
.legend span::before { content: ""; display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; }
.legend span { margin-right: 1rem; }
.legend .real::before { background: var(--real); }
.legend .synthetic::before { background: var(--synthetic); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 1rem; }
.wide { grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); }
.card { margin: 0; padding: .8rem; border: 1px solid var(--line); border-radius: .5rem; min-width: 0;
  background: var(--card); }
figcaption { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .1rem .6rem; align-items: start;
  margin-bottom: .6rem; }
figcaption small { grid-column: 1 / -1; }
.name { font-weight: 600; overflow-wrap: anywhere; unicode-bidi: isolate; }
.histogram { display: block; width: 100%; height: 7rem; }
.histogram path { vector-effect: non-scaling-stroke; }
.histogram .synthetic { fill: var(--synthetic); opacity: .65; }
.histogram .real { fill: none; stroke: var(--real); stroke-width: 2; }
.ends, .axes { display: flex; justify-content: space-between; gap: 1rem; border-top: 1px solid var(--soft);
  color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; unicode-bidi: isolate; }
.axes { border: 0; margin-top: .3rem; }
.bars { display: grid; grid-template-columns: minmax(3rem, 1fr) minmax(3rem, 1fr) auto; gap: .25rem .6rem;
  align-items: center; margin-top: .5rem; font-size: .85rem; }
.label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: isolate; }
.shares { color: var(--soft); text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.pair i { display: block; height: .4rem; min-width: 1px; }
.pair .real { background: var(--real); } .pair .synthetic { background: var(--synthetic); }
.maps { display: grid; grid-template-columns: auto minmax(0, 1fr) minmax(0, 1fr); gap: .2rem .6rem; }
.below, .beside { display: flex; color: var(--soft); font-size: .75rem; line-height: 1; min-width: 0; }
.below span, .beside span { flex: 1 1 0; min-width: 0; overflow: hidden; white-space: nowrap;
  unicode-bidi: isolate; display: flex; align-items: center; justify-content: end; }
.below span { writing-mode: vertical-rl; transform: rotate(180deg); }
.beside { flex-direction: column-reverse; }
.map { width: 100%; aspect-ratio: 1; border: 1px solid var(--line); background: var(--back); }
.map.real { fill: var(--real); } .map.synthetic { fill: var(--synthetic); }
@media (max-width: 48rem) {
  .figures, .figures tbody { display: block; } .figures thead { display: none; }
  .figures tr { display: grid; grid-template-columns: 1fr 1fr 1fr; padding: .7rem 0;
    border-bottom: 1px solid var(--line); }
  .figures th, .figures td { border: 0; padding: .1rem 0; }
  .figures th { grid-column: 1 / 3; } .figures td:nth-child(2) { text-align: right; }
  .figures .said { grid-column: 1 / -1; width: auto; }
  .figures td[data-label]::before { content: attr(data-label); display: block; color: var(--soft);
    font-size: .8rem; } }
"""
