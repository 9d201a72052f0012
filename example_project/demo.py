"""A shop and a whole PagoEfectivo on this machine, and a story played between them: ``make demo``.

With ``--serve`` (``make run``) the story is left out. Needs no network and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from example_project.demonstration.stage import ADMIN, Stage, running
from example_project.demonstration.story import Story
from example_project.demonstration.waiting import Failed

#: What a shell says of a program that Ctrl-C ended.
INTERRUPTED = 130


def main() -> int:
    """Play, and serve while somebody watches; 0 if every step went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="no story: only start everything")
    serve_only = parser.parse_args().serve
    # A terminal that knows no check mark shows a question mark instead.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace", line_buffering=True)
    watched = sys.stdin.isatty() and sys.stdout.isatty()
    result = INTERRUPTED
    try:
        began = time.monotonic()
        print("Starting three processes: sandbox (PagoEfectivo on this machine), shop, and the shop's worker …")
        with running() as stage:
            story = Story(stage)
            result = 0 if serve_only or play(story) else 1
            if not serve_only:
                print(f"{'NOT all' if result else 'All'} steps in {time.monotonic() - began:.1f} s.")
            tell_addresses(stage, story)
            if serve_only or watched:
                print("Ctrl-C ends it.")
                serve(stage)
    except KeyboardInterrupt:
        print("\nStopped.")
    except Failed as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    return result


def play(story: Story) -> bool:
    """Play the story, one line a step, up to its end or the first step that fails."""
    for title, step in story.steps():
        try:
            seen = step()
        except (Failed, requests.RequestException) as error:
            print(f"✗ {title:<32} {error}")
            for program in story.stage.programs:
                print(program.last_lines(), file=sys.stderr)
            return False
        print(f"✓ {title:<32} {seen}")
    return True


def tell_addresses(stage: Stage, story: Story) -> None:
    """Say where everything is."""
    print(f"\nShop     {stage.shop}/")
    if hasattr(story, "first"):
        print(f"Voucher  {story.first.voucher}")
    print(f"Admin    {stage.shop}/admin/  user {ADMIN}, password {stage.password} (made for this run)")
    print(f"Counter  {stage.sandbox}/counter  where codes are paid")


def serve(stage: Stage) -> None:
    """Go on until Ctrl-C, or until one of the programs ends."""
    while not (ended := stage.ended()):
        time.sleep(0.5)
    raise Failed(f"the {ended.name} ended with {ended.process.returncode}")


if __name__ == "__main__":
    sys.exit(main())
