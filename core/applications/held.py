"""One shell that holds an application quiet: it lets go on a word, at the end of its input, and by a timer of its own."""

from __future__ import annotations

import string

# Plain Bourne shell. Both functions run in a shell of their own, once or twice; `$d` is a directory of ours. `release` may leave
# `BEGIN END LABEL TABLESPACES` in $d/told. Whoever makes $d/end lets go; the other waits for it, so that `$d` stays until then.
_HOLD = string.Template(r"""trap '' 1 13
for t in /run /dev/shm /tmp; do
  d=$$t/splitmount-quiesce.$$$$; if (umask 077; mkdir "$$d") 2> /dev/null; then break; else d=; fi
done
[ -n "$$d" ] || { echo "failed no directory of our own"; exit 1; }
quiesce() {
$quiesce
}
release() {
$release
}
echo ready
read word; [ "$$word" = quiesce ] || { rmdir "$$d"; exit 0; }
( sleep $seconds; mkdir "$$d/end" && release ) < /dev/null > /dev/null 2>&1 &
timer=$$!
expired() { wait $$timer; echo expired; rm -rf "$$d"; exit 1; }
( quiesce ) < /dev/null > "$$d/said" 2>&1; code=$$?
if [ "$$code" != 0 ]; then
  mkdir "$$d/end" 2> /dev/null || expired
  kill -9 $$timer; ( release ) < /dev/null > /dev/null 2>&1
  echo "failed quiesce ended with $$code:" `cat "$$d/said"`; rm -rf "$$d"; exit 1
fi
if [ -d "$$d/end" ]; then # the timer may have let go of what was not held yet
  wait $$timer; ( release ) < /dev/null > /dev/null 2>&1; expired
fi
echo quiet
read word
mkdir "$$d/end" 2> /dev/null || expired
kill -9 $$timer
( release ) < /dev/null > "$$d/said" 2>&1; code=$$?
told="- - - -"; if [ -s "$$d/told" ]; then told=`cat "$$d/told"`; fi
if [ "$$code" = 0 ]; then echo "released $$told"; else echo "stuck release ended with $$code:" `cat "$$d/said"`; fi
rm -rf "$$d"
""")


def held_shell(quiesce: str, release: str, seconds: int) -> str:
    """The shell around two bodies. `release` must be safe to run twice, and without a `quiesce` that came to its end."""
    return _HOLD.substitute(quiesce=quiesce, release=release, seconds=seconds)
