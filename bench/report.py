"""The tables of bench/compare, and bench/RESULTS.md made of them.

Works on the runs as they were written down (loadgen's fields, with `load`, `broker`, `mode` and `round`); measures nothing.
"""

import statistics

import plots
from brokers import BASELINE, FLOORS, OURS
from loads import BY_NAME, CPU, FIGURES, LATENCIES, MEMORY, RATE, WHATS, field_of

MODES = {
    "single": "One core for the broker, one for loadgen",
    "two": "Both cores for both",
}


class Table:
    """The runs of one mode, by load and broker, in the order they were first seen."""

    def __init__(self, runs, order=()):
        self.runs = runs
        self.loads = list(dict.fromkeys(r["load"] for r in runs))
        seen = list(dict.fromkeys(r["broker"] for r in runs))
        self.brokers = [b for b in order if b in seen] + [b for b in seen if b not in order]
        self.peers = [b for b in self.brokers if b != OURS and b not in FLOORS]

    def all_of(self, load, broker):
        return [r for r in self.runs if r["load"] == load and r["broker"] == broker]

    def good(self, load, broker):
        return [r for r in self.all_of(load, broker) if "error" not in r]

    def values(self, figure, load, broker):
        return [v for v in map(figure.of, self.good(load, broker)) if v is not None]

    def rounds(self):
        """How many runs a figure is the median of, at most."""
        return max((len(self.all_of(x, b)) for x in self.loads for b in self.brokers), default=0)

    def failed(self):
        return [r for r in self.runs if "error" in r]


def markdown(table, costs=(), figures=FIGURES):
    """All tables, as lines. `costs`: what `loadgen costs` said, each time."""
    lines = []
    for figure in figures:
        lines += figure_table(table, figure)
    if any(busy(r) for r in table.runs):
        lines += ["", "\\* the generator used more than 95 % of a core and may be the limit: compare the CPU."]
    lines += counts_table(table, costs)
    if table.failed():
        lines += ["", "**Failed runs** (not in the medians)", ""]
        lines += [f"- {r['broker']}, {r['load']}: {r['error']}" for r in table.failed()]
    return lines


def counts_table(table, tries):
    """What the floors did, from their start to their end, for each message that they delivered, and what that comes to."""
    keys = ("reads", "writes", "waits", "sleeps", "faults")
    costs = {k: statistics.median(t[k] for t in tries) for k in tries[0]} if tries else {}
    rows = []
    for load in table.loads:
        for name in FLOORS:
            runs = [r for r in table.good(load, name) if r.get("counts", {}).get("delivered")]
            if runs:
                each = {k: statistics.median(r["counts"][k] / r["counts"]["delivered"] for r in runs) for k in keys}
                rows.append([load, name, *(f"{each[k]:.3f}" for k in keys), *([reckoned(load, each, costs)] if costs else [])])
    if not rows:
        return []
    head = ["load", "floor", *keys, *(["comes to, µs"] if costs else [])]
    lines = ["", "**What the floors did for each delivered message.** A wait is a call of epoll, a sleep one for which the thread left its "
             "core, a fault a page that was touched for the first time."]
    if costs:
        lines += ["", "What one costs here, in µs (`loadgen costs`, medians of " + str(len(tries)) + "): "
                  + ", ".join(f"{text} {costs[k]:.2f}" for k, text in COSTS.items())
                  + ". *Comes to*: the floor's reads, writes, sleeps and faults at these prices, from no write that wakes its reader to all of them."]
    lines += ["", "| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    return lines + ["| " + " | ".join(r) + " |" for r in rows]


COSTS = {
    "read_us": "a read of one message",
    "write_us": "a write",
    "read_in_turn_us": "a read on a connection where each is answered",
    "write_in_turn_us": "its answer",
    "write_that_wakes_us": "a write whose reader sleeps",
    "poll_that_sleeps_us": "a wait that sleeps",
    "first_touch_of_a_page_us": "a page",
}


def reckoned(load, each, costs):
    if "TLS" in load:
        return "–"
    turn = "" if "QoS 0" in load else "_in_turn"
    rest = each["reads"] * costs[f"read{turn}_us"] + each["sleeps"] * costs["poll_that_sleeps_us"]
    rest += each["faults"] * costs["first_touch_of_a_page_us"]
    least, most = (rest + each["writes"] * costs[k] for k in (f"write{turn}_us", "write_that_wakes_us"))
    return f"{least:.2f} to {most:.2f}"


def figure_table(table, figure):
    compared = OURS in table.brokers and table.peers
    head = ["load", *table.brokers]
    if compared and BASELINE in table.peers:
        head.append(f"{OURS} ÷ {BASELINE}")
    if compared and len(table.peers) > 1:
        head.append(f"{OURS} ÷ best peer")
    rows = [row for row in (figure_row(table, figure, load, head) for load in table.loads) if row]
    if not rows:
        return []
    lines = ["", f"**{figure.title}**", "", "| " + " | ".join(head) + " |", "|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|"]
    return lines + ["| " + " | ".join(r) + " |" for r in rows]


def figure_row(table, figure, load, head):
    medians, cells = {}, []
    for broker in table.brokers:
        mine, values = table.all_of(load, broker), table.values(figure, load, broker)
        failed = sum("error" in r for r in mine)
        if values:
            medians[broker] = statistics.median(values)
            star = "\\*" if figure is RATE and any(map(busy, table.good(load, broker))) else ""
            cells.append(spread(values, figure.digits) + star + (f", {failed} of {len(mine)} failed" if failed else ""))
        else:
            cells.append("failed" if failed and failed == len(mine) and figure is first_figure(load) else "–")
    if not medians and (figure is not first_figure(load) or "failed" not in cells):
        return None
    row = [load, *cells]
    ours = medians.get(OURS)
    if f"{OURS} ÷ {BASELINE}" in head:
        base = medians.get(BASELINE)
        row.append(f"{ours / base:.2f}" if ours is not None and base else "–")
    if f"{OURS} ÷ best peer" in head:
        peers = [medians[b] for b in table.peers if b in medians]
        best = (min if figure.less else max)(peers) if peers else None
        row.append(f"{ours / best:.2f}" if ours is not None and best else "–")
    return row


def first_figure(load):
    return LATENCIES[0] if load.startswith("latency") else CPU


def spread(values, digits):
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def busy(run):
    return "error" not in run and run.get("scenario") != "latency" and (run.get("loadgen_cpu_pct") or 0) > 95


# ---------------------------------------------------------------- targets


def targets(table):
    """What was aimed at, and whether it is met: by the medians, and what the worst of the rounds had."""
    rows = []
    for name in table.loads:
        target = BY_NAME[name].target if name in BY_NAME else None
        ours = table.good(name, OURS)
        if not target:
            continue
        what = WHATS[target.what]
        sign = "≤" if what.less else "≥"
        aim = f"{sign} {target.limit:,.0f}" if what.against == "" else f"{sign} {target.limit:.2f}"
        got, worst = judged(table, name, what, ours)
        if got is None:
            rows.append([name, what.name, aim, "not measured", "–", "–"])
            continue
        digits = 0 if what.against == "" else 2
        # What is written decides, so that no reader sees "0.45" under "≤ 0.45" and "missed".
        shown = round(got, digits)
        met = shown <= target.limit if what.less else shown >= target.limit
        rows.append([name, what.name, aim, f"{got:,.{digits}f} {'met' if met else '**missed**'}", f"{worst:,.{digits}f}", floor_of(table, name, what)])
    if not rows:
        return []
    met = sum("met" in r[3].split() for r in rows)
    lines = [f"{met} of {len(rows)} met.", "", "| load | figure | target | medians | worst round | floor |",
             "|---|---|---:|---:|---:|---:|"]
    return lines + ["| " + " | ".join(r) + " |" for r in rows]


def judged(table, load, what, ours):
    """The figure of the medians and of the worst round, or None where one side has no run."""
    mine = by_round(ours, what)
    if not mine:
        return None, None
    pick = max if what.less else min
    if what.against == "":
        return statistics.median(mine.values()), pick(mine.values())
    against = [BASELINE] if what.against == "mosquitto" else table.peers
    theirs = [r for r in (by_round(table.good(load, b), what) for b in against) if r]
    if not theirs:
        return None, None
    best = min if what.less else max
    base = best(statistics.median(t.values()) for t in theirs)
    rounds = []
    for n, value in mine.items():
        there = [t[n] for t in theirs if t.get(n)]
        if there:
            rounds.append(value / best(there))
    ratio = statistics.median(mine.values()) / base if base else None
    return ratio, pick(rounds) if rounds and ratio is not None else ratio


def floor_of(table, load, what):
    """The same ratio for the floor that has less: the median of the rounds in which it took part."""
    if what.field != "cpu":
        return "–"
    base = by_round(table.good(load, BASELINE), what)
    ratios = []
    for name in FLOORS:
        of_rounds = [v / base[n] for n, v in by_round(table.good(load, name), what).items() if base.get(n)]
        ratios += [statistics.median(of_rounds)] if of_rounds else []
    return f"{min(ratios):.2f}" if ratios else "–"


def by_round(runs, what):
    pairs = ((r.get("round", 0), field_of(what, r)) for r in runs)
    return {n: v for n, v in pairs if v is not None}


# ---------------------------------------------------------------- RESULTS.md


def write(folder, sections):
    """Writes RESULTS.md and plots/ into `folder`. `sections`: of each mode its name, what is said about it, and its runs."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    lines = ["# Results", ""]
    lines += ["Written by `bench/compare`; what stands here by hand is gone with the next run. The loads, the conditions and how to",
              "read the figures: [README.md](README.md). Why what is missed is missed: [MISSED.md](MISSED.md). What keeping on the disk",
              "costs: [KEEPING.md](KEEPING.md).", ""]
    first = sections[0][1]
    lines += [f"    {first.get('command', 'bench/compare')}", ""]
    lines += [f"- {x}" for x in first["machine"]]
    tables = [(mode, about, Table(runs, about.get("brokers", ()))) for mode, about, runs in sections]
    for mode, _, table in tables:
        if mode == "single" and OURS in table.brokers and (rows := targets(table)):
            lines += ["", "## What was aimed at", "",
                      "The targets of the plan: ratios of medians with both programs on one core; *worst round* is the least favourable of the",
                      "rounds, each compared within itself; *floor* the same ratio for a relay that knows no MQTT, has no sessions and no topics, and",
                      "answers at once or, where that is less, naps as nightjar does: what the system calls cost here that every broker must make which",
                      "is as prompt. Where it is above the target, [MISSED.md](MISSED.md) says what a broker below it would do to its clients.", "", *rows]
    for mode, about, table in tables:
        lines += ["", f"## {MODES[mode]}", "", f"Mode `{mode}`, {about['date']}, medians of {table.rounds()} interleaved runs "
                  f"(least–most), load average {about['load']} before."]
        if about.get("quick"):
            lines += ["", "**Quick: one short run each, 500 idle connections. These figures compare nothing.**"]
        for name, title, figures, loads in plots_of(table):
            file = f"plots/{mode}-{name}.svg"
            svg = plots.bars(title, [panel(table, f, x, many=len(figures) > 1) for x in loads for f in figures], table.brokers)
            (folder / file).write_text(svg, encoding="utf-8")
            lines += ["", f"![{title}]({file})"]
        lines += markdown(table, about.get("costs"))
    (folder / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def plots_of(table):
    """Of each plot: its file's name, its title, its figures, and the loads that have them."""
    for name, title, figures in (
        ("cpu", "CPU of the broker, µs per delivered message or connection", [CPU]),
        ("memory", "Memory per idle connection, bytes", [MEMORY]),
        ("latency", "Latency at 10,000 messages a second, µs", LATENCIES),
    ):
        loads = [x for x in table.loads if any(table.values(figures[0], x, b) for b in table.brokers)]
        if loads:
            yield name, title, figures, loads


def panel(table, figure, load, many):
    bars = {b: v for b in table.brokers if (v := table.values(figure, load, b))}
    return plots.Panel(f"{load.removeprefix('latency, ')}, {figure.key}" if many else load, bars, figure.digits)
