"""The one table of keys: bindings, footer and help are all made from it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Key:
    """A key on a screen. `shown` puts it in the footer; `help` is the sentence of the help screen."""

    screen: str
    keys: str
    action: str
    label: str
    help: str
    shown: bool = True


KEYS: tuple[Key, ...] = (
    Key("everywhere", "question_mark", "app.help", "Help", "show this page"),
    Key("everywhere", "q,ctrl+q", "app.leave", "Quit", "leave; during a run it asks, and never leaves a source frozen"),
    Key("everywhere", "ctrl+p", "app.command_palette", "Palette", "find any command by name", shown=False),
    Key("start", "b", "plan('backup')", "Backup", "plan a backup of the set under the cursor; nothing runs before its preview"),
    Key("start", "s", "plan('split')", "Split", "plan a split"),
    Key("start", "e", "plan('establish')", "Establish", "plan an establish"),
    Key("start", "m", "plan('map')", "Map", "plan to keep a new map"),
    Key(
        "start", "o", "guide('restore')", "Restore", "the guide that puts a point in time back: from a mirror, or from a backup"
    ),
    Key("start", "T", "guide('takeover')", "Take over", "the guide that lets the target take the place of a dead source"),
    Key("start", "F", "guide('failback')", "Failback", "the guide of the way back after a takeover", shown=False),
    Key("start", "R", "plan('rehearse')", "Rehearse", "plan a takeover that leaves nothing behind", shown=False),
    Key("start", "c", "plan('cleanup')", "Cleanup", "plan to remove what an earlier run left on the target", shown=False),
    Key(
        "start",
        "u",
        "recover",
        "No end",
        "a run of the set that has no end: what is known, resume it, take it back",
        shown=False,
    ),
    Key("start", "r", "measure", "Measure", "measure all sets and hosts again"),
    Key("start", "slash", "filter", "Filter", "filter the tree; Escape clears it"),
    Key("start", "l", "log", "Log", "the activity log with the exact text of every command", shown=False),
    Key("start", "H", "history", "History", "the runs of this console", shown=False),
    Key("start", "B", "backups", "Backups", "the backups of the set under the cursor", shown=False),
    Key("start", "A", "accidents", "Accidents", "in the demonstration: switch accidents on and off", shown=False),
    Key("start", "tab", "app.focus_next", "Next pane", "go to the next pane", shown=False),
    Key("plan", "r", "go(False)", "Run all", "run the plan to its end; asks once, and Enter never confirms"),
    Key("plan", "t", "go(True)", "Step by step", "run the plan, one key press a step"),
    Key("plan", "escape", "back", "Back", "leave the preview; nothing was done"),
    Key("guide", "escape", "back", "Back", "one decision back; nothing was done"),
    Key("guide", "m", "again", "Measure", "measure the conditions again"),
    Key(
        "guide",
        "w",
        "reason",
        "Give a reason",
        "go on although the condition under the cursor is not met; the journal keeps why",
    ),
    Key("guide", "c", "tidy", "Clean up", "plan the cleanup that frees the BCVs on the target"),
    Key("run", "n", "proceed(False)", "Next step", "let a paused run do its next step"),
    Key("run", "a", "proceed(True)", "All the rest", "let a paused run go on to its end"),
    Key(
        "run", "x", "stop", "Stop after step", "stop when the current step has ended; what was done on the target is taken back"
    ),
    Key("run", "l", "log", "Log", "the activity log"),
    Key("run", "escape", "back", "Back", "go back when the run has ended"),
    Key("recover", "r", "resume", "Resume", "go on with it where it stopped, after measuring; asks once"),
    Key("recover", "u", "undo", "Take back", "plan to take back what it did; nothing runs before its preview"),
    Key("recover", "escape", "back", "Back", "leave it as it is"),
    Key("list", "up,k", "move(-1)", "Up", "one line up", shown=False),
    Key("list", "down,j", "move(1)", "Down", "one line down", shown=False),
    Key("list", "pageup", "page(-1)", "Page up", "one page up", shown=False),
    Key("list", "pagedown", "page(1)", "Page down", "one page down", shown=False),
    Key("list", "home,g", "edge(0)", "First", "the first line", shown=False),
    Key("list", "end,G", "edge(1)", "Last", "the last line", shown=False),
    Key("list", "enter,space", "open_or_close", "Open", "open or close what is under the cursor", shown=False),
    Key("list", "left,h", "fold_up", "Close", "close it, or go to what it belongs to", shown=False),
    Key("list", "right", "unfold", "Open", "open it", shown=False),
    Key("text", "escape,q", "back", "Back", "close this page"),
    Key("school", "escape", "back", "Look around", "close the offer"),
    Key("school", "up,k", "move(-1)", "Up", "one line up", shown=False),
    Key("school", "down,j", "move(1)", "Down", "one line down", shown=False),
)


def bindings(*screens: str) -> list[BindingType]:
    """The bindings of some screens, for a BINDINGS attribute."""
    return [Binding(k.keys, k.action, k.label, show=k.shown) for k in KEYS if k.screen in screens]


def help_lines() -> list[str]:
    """The help page."""
    out: list[str] = []
    for screen in dict.fromkeys(k.screen for k in KEYS):
        out += ["", screen]
        for key in (k for k in KEYS if k.screen == screen):
            names = key.keys.replace("question_mark", "?").replace("slash", "/").replace(",", ", ")
            out.append(f"  {names:<16} {key.label:<16} {key.help}")
    return out[1:]
