"""How the page looks: on paper and in the light, in the dark, on a phone.

Colours have a contrast of at least 4.5 as text and 3 as lines against the card behind them, in both schemes. Each of
the ten line colours comes with a mark of its own, and every second bar is hatched: nothing rests on colour alone.
"""

from collections.abc import Sequence

from server.report_page.markup import Html, element, joined

LINES_LIGHT = (
    *("#1d63b0", "#b84a00", "#0b7a6c", "#8a36a8", "#8a6400"),
    *("#bd2161", "#4b7a12", "#5c5f66", "#0878a8", "#a8201a"),
)
LINES_DARK = (
    *("#6eb1f7", "#f79b5e", "#48cbb8", "#cf95ec", "#dfb94b"),
    *("#f58ab8", "#a2cf62", "#b3b8c2", "#5fd0f2", "#ff8f86"),
)


def _line_colours(colours: Sequence[str]) -> str:
    return "".join(f"--c{number}:{colour};" for number, colour in enumerate(colours, start=1))


def _line_rules() -> str:
    return "".join(f".c{number}{{--c:var(--c{number})}}" for number in range(1, len(LINES_LIGHT) + 1))


STYLE = (
    """
:root{color-scheme:light dark;--page:#f5f4f0;--card:#fff;--ink:#1b212b;--soft:#566070;--rule:#dedbd3;--faint:#ebe9e3;
--accent:#1d63b0;--good:#14693a;--good-back:#e3f3e8;--bad:#a31515;--bad-back:#fce8e6;--warn:#6b4a00;--warn-back:#fdf3d7;"""
    + _line_colours(LINES_LIGHT)
    + """}
@media screen and (prefers-color-scheme:dark){:root{--page:#101318;--card:#191e25;--ink:#e7eaef;--soft:#a3adbb;
--rule:#343c47;--faint:#262d36;--accent:#7dbbfa;--good:#7fd8a0;--good-back:#16321f;--bad:#ff9c92;--bad-back:#431c1a;
--warn:#f0cf7a;--warn-back:#372c10;"""
    + _line_colours(LINES_DARK)
    + """}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0 auto;max-width:1232px;padding:32px 24px 48px;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;
overflow-wrap:break-word}
h1,h2,h3,h4,p,dl,dd,ul,figure{margin:0;padding:0}
h1{font-size:clamp(1.6rem,1.1rem + 2.2vw,2.4rem);line-height:1.15;letter-spacing:-.02em;font-weight:700;
margin:4px 0 18px;overflow-wrap:anywhere}
h2{font-size:1.4rem;letter-spacing:-.01em;line-height:1.25;margin:0 0 6px}
h3{font-size:1.05rem;line-height:1.3}
h4{font-size:.9rem;margin:18px 0 4px}
code{font:.92em/1.4 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;overflow-wrap:anywhere}
.brand{color:var(--soft);display:flex;flex-wrap:wrap;gap:4px 10px;align-items:center;font-size:.95rem}
.brand strong{color:var(--accent);letter-spacing:.01em}
.state{border-radius:99px;padding:1px 11px;font-size:.82rem;font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}
.state.good{background:var(--good-back)}.state.bad{background:var(--bad-back)}
.state.going{color:var(--warn);background:var(--warn-back)}
.facts{display:flex;flex-wrap:wrap;gap:10px 34px;margin-bottom:26px}
dt{color:var(--soft);font-size:.8rem}
.facts dd{font-weight:600}
.facts code{font-weight:500}
.tiles{list-style:none;display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:12px}
.tiles li,.card,figure{background:var(--card);border:1px solid var(--rule);border-radius:12px}
.tiles li{padding:13px 16px 14px;display:flex;flex-direction:column}
.tiles strong{white-space:nowrap;font-size:1.55rem;line-height:1.2;
letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tiles .name{font-size:.88rem;font-weight:600}
.tiles .note{font-size:.8rem;color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:6px 22px;margin:26px 0 0;padding:10px 0;border-top:1px solid var(--rule);
border-bottom:1px solid var(--rule);font-size:.93rem}
a{color:var(--accent);text-underline-offset:3px;text-decoration-thickness:1px}
section{margin-top:44px;scroll-margin-top:12px}
.lead{break-after:avoid;max-width:72ch;color:var(--soft);margin-bottom:16px}
.quiet{color:var(--soft)}
.pair{display:grid;grid-template-columns:minmax(0,1fr);gap:20px}
@media print,(min-width:820px){.pair{grid-template-columns:repeat(2,minmax(0,1fr))}.pair>*{grid-row:span 3}
.pair>figure{display:grid;grid-template-rows:subgrid;row-gap:0}.pair>:only-child{grid-column:1/-1}}
figure,.card{padding:18px 20px;min-width:0}
section>h2+.pair,section>h2+.card,section>h2+.none{margin-top:14px}
section>*+.card,section>*+figure,section>*+details{margin-top:20px}
.drawn{container-type:inline-size;min-width:0}
figcaption p{font-size:.88rem;line-height:1.45;margin-top:4px;max-width:68ch}
figure>.quiet{margin-top:4px;font-size:.88rem}
.card>.scroll:first-child{margin-top:-6px}
.plot{display:block;width:100%;height:auto;max-width:640px;margin:14px auto 4px;overflow:visible;
font-variant-numeric:tabular-nums}
.plot text{font-size:12px;fill:var(--soft)}
.plot .axis{font-size:11.5px}
.plot .middle{text-anchor:middle}
.plot.narrow{display:none}
@container (max-width:430px){.plot.narrow{display:block}.plot.wide{display:none}}
.grid{stroke:var(--faint);stroke-width:1}
.grid.zero{stroke:var(--soft);stroke-opacity:.65}
.line path{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.line .mark{fill:var(--c);stroke:var(--card);stroke-width:1.2}
.line .dashed{stroke-dasharray:2 5}
.plot .label{fill:var(--c);font-weight:600}
.line.dense path{stroke-width:1.5}.line.dense .mark{stroke-width:1}
.c0{--c:var(--soft)}
.line.c0 path{stroke-width:1}
.plot .label.c0{font-weight:400}
.thread{fill:none;stroke:var(--soft);stroke-opacity:.45;stroke-width:1}
.band{fill:var(--c1);fill-opacity:.11}
.band.strong{fill-opacity:.26}
.bar.b1{fill:var(--c1)}.bar.b2{fill:url(#hatch2)}.bar.b3{fill:var(--c3)}.bar.b4{fill:url(#hatch4)}
.key{display:flex;flex-wrap:wrap;gap:2px 18px;margin-top:10px;font-size:.85rem}
.key span{display:inline-flex;align-items:center;gap:7px}
.swatch{width:14px;height:14px;border-radius:3px;display:inline-block;print-color-adjust:exact}
.swatch.b1{background:var(--c1)}.swatch.b3{background:var(--c3)}
.swatch.b2{background:repeating-linear-gradient(45deg,var(--c2) 0 2px,var(--card) 2px 4px);border:1px solid var(--c2)}
.swatch.b4{background:repeating-linear-gradient(45deg,var(--c2) 0 2px,var(--card) 2px 4px);border:1px solid var(--c2)}
.reading rect{fill:transparent}
.reading line{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3;opacity:0}
.reading:hover line{opacity:1}
details{font-size:.9rem;margin-top:8px}
summary{cursor:pointer;color:var(--accent);padding:4px 0;width:fit-content}
.scroll{overflow-x:auto;margin-top:6px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:6px 12px 6px 0;text-align:right;border-bottom:1px solid var(--faint);white-space:nowrap}
thead th{color:var(--soft);font-weight:500;font-size:.8rem;border-bottom-color:var(--rule);vertical-align:bottom}
th:first-child{text-align:left;font-weight:500}
th:last-child,td:last-child{padding-right:2px}
tbody tr:last-child>*{border-bottom:0}
.figures{width:auto;min-width:min(100%,24rem)}
.reasons th,.reasons td{text-align:left;vertical-align:top}
.reasons td:last-child{white-space:normal;overflow-wrap:anywhere;width:100%;min-width:12rem}
.sign{width:14px;height:14px;margin-right:7px;vertical-align:-2px}
.course{width:78px;height:22px;display:inline-block;vertical-align:middle}
.course path{fill:none;stroke:var(--c1);stroke-width:1.5;stroke-linejoin:round}
.course .foot{stroke:var(--rule);stroke-width:1}
.course circle{fill:var(--c1)}
.accounts{list-style:none;columns:26rem 2;margin-top:4px}
.statement{font-size:1.08rem;font-weight:600;max-width:76ch}
.statement small{font-size:1rem;font-weight:400}
.statement+*{margin-top:6px}
.terms{display:grid;gap:9px 32px;grid-template-columns:repeat(auto-fit,minmax(min(100%,240px),1fr));margin-top:16px}
.terms dd{overflow-wrap:anywhere}
.terms+p{margin-top:16px}
.warning{background:var(--warn-back);color:var(--warn);border-radius:8px;padding:10px 14px;
margin-top:14px;font-size:.92rem}
.none{font-size:1.05rem}
.card>h3+.quiet{font-size:.88rem}
footer{margin-top:52px;padding-top:14px;border-top:1px solid var(--rule);color:var(--soft);font-size:.85rem}
@media (max-width:560px){body{padding:20px 14px 36px}figure,.card{padding:14px}
.facts{gap:8px 24px}.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:8px}.tiles li{padding:10px 12px}
.tiles strong{font-size:1.3rem}section{margin-top:34px}
.clients :is(th,td):is(:nth-child(4),:nth-child(7),:nth-child(8)){display:none}
.figures thead th{white-space:normal}
.clients{font-size:.8rem}.clients thead th{white-space:normal;font-size:.72rem}
.clients th,.clients td{padding-right:5px}.clients code{font-size:.84em}
.clients .sign{width:12px;height:12px;margin-right:3px}
.reasons td:last-child{min-width:0}}
@media print{:root{--page:#fff}body{max-width:none;padding:0;font-size:10.5pt}nav,summary{display:none}
section{margin-top:22px}.pair{gap:12px}.pair+.card{margin-top:12px}figure,.card{padding:10px 12px}
figure,.card,.tiles li{break-inside:avoid}h2,h3{break-after:avoid}
.scroll{overflow:visible}.bar,.band,.mark,.state,.warning{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
"""
    + _line_rules()
)


def _hatch(number: int) -> Html:
    return element(
        "pattern",
        element("rect", width=5, height=5, style="fill:var(--card)"),
        element("rect", width=2.6, height=5, style="fill:var(--c2)"),
        id=f"hatch{number}",
        width=5,
        height=5,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )


# Not hidden by `display: none`, which would take the patterns away from the plots too.
HATCHES = element(
    "svg",
    element("defs", joined(_hatch(number) for number in (2, 4))),
    width=0,
    height=0,
    style="position:absolute",
    aria_hidden="true",
)
